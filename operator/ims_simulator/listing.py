"""GET /v2/cloudimages and GET /v2/images: filters, order, pages.

Sources: "OTC IMS API reference, Querying Images" and "Querying Images (Native OpenStack API)". Names match exactly.
`__originalimagename` and `__data_origin` are attributes but not filters; what a filter that is not documented does
is unknown, hence the knob unknown_filter. Rows with `__isregistered` other than true are hidden from ordinary users,
and shared images that are not accepted from lists that do not ask for them with member_status.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from urllib.parse import urlencode

from pydantic import JsonValue

from ims_simulator.context import Context
from ims_simulator.errors import ImsError, Reply
from ims_simulator.model import Image, JsonObject, as_text
from ims_simulator.reads import row_of, visible_to

DEFAULT_LIMIT = 500
NATIVE_LIMIT = 25
MAX_LIMIT = 1000

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
    "__imagetype": ("gold", "private", "shared", "market"),
    "member_status": ("accepted", "rejected", "pending"),
    "sort_dir": ("asc", "desc"),
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


def list_cloud_images(context: Context) -> Reply:
    """GET /v2/cloudimages. Raises: ImsError."""
    page, more = _page(context, DEFAULT_LIMIT)
    body: JsonObject = {"images": list[JsonValue](page)}
    if context.cloud.knobs.page_info:
        body["page_info"] = {"next_marker": str(page[-1]["id"])} if more else {}
    return Reply(200, body)


def list_native_images(context: Context) -> Reply:
    """GET /v2/images, with the links `first` and, but for the last page, `next`. Raises: ImsError."""
    page, more = _page(context, NATIVE_LIMIT)
    query = [(key, value) for key, value in context.query.items() if key != "marker"]
    body: JsonObject = {
        "first": _link(query),
        "schema": "/v2/schemas/images",
        "images": list[JsonValue](page),
    }
    if more:
        body["next"] = _link([*query, ("marker", str(page[-1]["id"]))])
    return Reply(200, body)


def _link(query: list[tuple[str, str]]) -> str:
    return "/v2/images" + (f"?{urlencode(query)}" if query else "")


def _page(context: Context, default_limit: int) -> tuple[list[JsonObject], bool]:
    """One page of rows, and whether there are more."""
    query = context.query
    _check_query(context)
    limit = _limit(query.get("limit"), default_limit)
    rows = [
        (image.sequence, row)
        for image in _candidates(context)
        if _listed(context, image) and _matches(context, row := _row(context, image))
    ]
    key = query.get("sort_key", "created_at")
    descending = query.get("sort_dir", "desc") == "desc"
    rows.sort(key=lambda item: (_sortable(item[1].get(key)), item[0]), reverse=descending)
    start = 0
    if marker := query.get("marker"):
        positions = [index for index, (_, row) in enumerate(rows) if row["id"] == marker]
        if not positions:
            raise ImsError("IMG.0027", "The marker is not the ID of an image in the list.")
        start = positions[0] + 1
    return [row for _, row in rows[start : start + limit]], len(rows) > start + limit > start


def _row(context: Context, image: Image) -> JsonObject:
    return row_of(context.cloud, image, context.caller.project_id, context.now)


def _candidates(context: Context) -> Iterable[Image]:
    images = context.cloud.images
    if (image_id := context.query.get("id")) is not None:
        image = images.get(image_id)
        return [] if image is None else [image]
    if (name := context.query.get("name")) is not None:
        return images.named(name)
    return images.values()


def _listed(context: Context, image: Image) -> bool:
    project_id = context.caller.project_id
    if not visible_to(context.cloud, image, project_id, context.now):
        return False
    if image.owner == project_id or image.text("visibility") == "public":
        return True
    accepted = image.members.get(project_id) == "accepted"
    return accepted or context.cloud.knobs.list_pending_shared or "member_status" in context.query


def _matches(context: Context, row: JsonObject) -> bool:
    if as_text(row.get("__isregistered")) != "true":
        return False
    return all(_matches_one(context, row, key, value) for key, value in context.query.items())


def _matches_one(context: Context, row: JsonObject, key: str, wanted: str) -> bool:
    if key in ("protected", "__whole_image", "__isregistered"):
        return (as_text(row.get(key)).lower() or "false") == wanted.lower()
    if key in _EQUAL:
        return as_text(row.get(key)) == wanted
    if key == "tag":
        tags = row.get("tags")
        return isinstance(tags, list) and wanted in tags
    if key == "enterprise_project_id":
        return wanted == "all_granted_eps" or as_text(row.get(key)) == wanted
    if key in ("created_at", "updated_at"):
        operator, moment = _moment(wanted)
        return _COMPARE[operator](as_text(row.get(key)), moment)
    return key in _PAGING or context.cloud.knobs.unknown_filter == "ignore"


def _check_query(context: Context) -> None:
    knobs = context.cloud.knobs
    if knobs.eps_required and "enterprise_project_id" not in context.query:
        raise ImsError("IMG.0026", status=knobs.permission_status)
    for key, value in context.query.items():
        if key in ("created_at", "updated_at"):
            _moment(value)
        elif key in _CHOICES and value not in _CHOICES[key]:
            code = "IMG.0024" if key == "__imagetype" else "IMG.0017"
            raise ImsError(code, None if code == "IMG.0024" else f"The value of {key} is invalid.")
        elif key not in _EQUAL | _PAGING | _OTHER and knobs.unknown_filter == "refuse":
            raise ImsError("IMG.0017", f"The filter {key} is not supported.")


def _moment(value: str) -> tuple[str, str]:
    match = _MOMENT.fullmatch(value)
    if match is None:
        raise ImsError("IMG.0017", "The time is not of the form operator:yyyy-MM-ddThh:mm:ssZ.")
    try:
        datetime.strptime(match[2], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise ImsError("IMG.0017", "The time does not exist.") from None
    return match[1] or "eq", match[2]


def _limit(text: str | None, default: int) -> int:
    if text is None:
        return default
    if not re.fullmatch(r"\d{1,6}", text):
        raise ImsError("IMG.0017", "The value of limit is invalid.")
    return min(int(text), MAX_LIMIT)


def _sortable(value: JsonValue) -> tuple[int, float, str]:
    """Numbers among themselves by size, everything else by its text."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return (0, float(value), "")
    return (1, 0.0, as_text(value))
