"""The filters of image lists: which filters there are, which values they take, and what they match.

Sources: "OTC IMS API reference, Querying Images" and "Querying Images (Native OpenStack API)". Names match exactly.
`__originalimagename` and `__data_origin` are attributes but not filters. The effect of a filter that is not documented
is unknown, hence the knob unknown_filter.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime

from ims_simulator.gateway.context import Context
from ims_simulator.parsing import JsonObject, as_text
from ims_simulator.replies.errors import ImsError
from ims_simulator.state.records import Image

_EQUAL = frozenset(
    {
        "id",
        "name",
        "status",
        "owner",
        "visibility",
        "protected",
        "__imagetype",
        "__whole_image",
        "__system__cmkid",
        "__isregistered",
        "disk_format",
        "virtual_env_type",
        "member_status",
        "__os_type",
        "__platform",
        "__support_kvm",
        "container_format",
    }
)
_PAGING = frozenset({"limit", "marker", "sort_key", "sort_dir"})
_OTHER = frozenset({"tag", "enterprise_project_id", "created_at", "updated_at"})
_CHOICES = {
    "__imagetype": ("gold", "private", "shared"),
    "member_status": ("accepted", "rejected", "pending"),
    "sort_dir": ("asc", "desc"),
    "sort_key": ("name", "container_format", "disk_format", "status", "id", "size", "created_at", "updated_at"),
}
_MOMENT = re.compile(r"(?:(gt|gte|lt|lte|eq|neq):)?(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)")
_COMPARE: dict[str, Callable[[str, str], bool]] = {
    "gt": lambda a, b: a > b,
    "gte": lambda a, b: a >= b,
    "lt": lambda a, b: a < b,
    "lte": lambda a, b: a <= b,
    "eq": lambda a, b: a == b,
    "neq": lambda a, b: a != b,
}


def check_query(context: Context) -> None:
    """Check the filters of a request. Raises: ImsError."""
    knobs = context.cloud.knobs
    if knobs.eps_required and "enterprise_project_id" not in context.query:
        raise ImsError("IMG.0026", status=knobs.permission_status)
    for key, value in context.query.items():
        if key in ("created_at", "updated_at"):
            _moment(value)
        elif key in _CHOICES and value not in _CHOICES[key]:
            if key == "__imagetype" and not (value == "market" and knobs.market_type):
                raise ImsError("IMG.0024")
            if key != "__imagetype":
                raise ImsError("IMG.0017", f"The value of {key} is invalid.")
        elif key not in _EQUAL | _PAGING | _OTHER and knobs.unknown_filter == "refuse":
            raise ImsError("IMG.0017", f"The filter {key} is not supported.")


def matches(context: Context, image: Image, computed: JsonObject) -> bool:
    """Whether an image with these computed attributes belongs to the requested list.

    Rows with `__isregistered` other than true are hidden from ordinary users.
    """

    def text(key: str) -> str:
        return as_text(computed[key]) if key in computed else image.text(key)

    if text("__isregistered") != "true":
        return False
    return all(_matches_one(context, image, text, key, value) for key, value in context.query.items())


def _matches_one(context: Context, image: Image, text: Callable[[str], str], key: str, wanted: str) -> bool:
    if key in ("protected", "__whole_image", "__isregistered"):
        return (text(key).lower() or "false") == wanted.lower()
    if key in _EQUAL:
        return text(key) == wanted
    if key == "tag":
        tags = image.props.get("tags")
        return isinstance(tags, list) and wanted in tags
    if key == "enterprise_project_id":
        return wanted == "all_granted_eps" or text(key) == wanted
    if key in ("created_at", "updated_at"):
        operator, moment = _moment(wanted)
        return _COMPARE[operator](text(key), moment)
    return key in _PAGING or context.cloud.knobs.unknown_filter == "ignore"


def _moment(value: str) -> tuple[str, str]:
    match = _MOMENT.fullmatch(value)
    if match is None:
        raise ImsError("IMG.0017", "The time is not of the form operator:yyyy-MM-ddThh:mm:ssZ.")
    try:
        datetime.strptime(match[2], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise ImsError("IMG.0017", "The time does not exist.") from None
    return match[1] or "eq", match[2]
