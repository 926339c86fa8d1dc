"""GET /v2/cloudimages and GET /v2/images: the order and the pages of lists. `filters` has the filters.

Sources: "OTC IMS API reference, Querying Images" and "Querying Images (Native OpenStack API)". A list shows shared
images that are not accepted only if the request has the filter member_status. A page in the default order, newest
first, is read from an index, so its cost does not grow with the number of images.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from urllib.parse import urlencode

from pydantic import JsonValue

from ims_simulator.gateway.context import Context
from ims_simulator.ims.filters import check_query, matches
from ims_simulator.ims.rows import computed, visible_to
from ims_simulator.parsing import JsonObject, as_text
from ims_simulator.replies.errors import ImsError, Reply
from ims_simulator.state.records import Image
from ims_simulator.state.tables import age_of

DEFAULT_LIMIT = 500
NATIVE_LIMIT = 25
MAX_LIMIT = 1000

Found = tuple[Image, JsonObject]
"""An image and its computed attributes."""


def list_cloud_images(context: Context) -> Reply:
    """GET /v2/cloudimages. Raises: ImsError."""
    page, more = _page(context, DEFAULT_LIMIT)
    body: JsonObject = {"images": list[JsonValue](page)}
    if context.cloud.knobs.page_info:
        body["page_info"] = {"next_marker": str(page[-1]["id"])} if more else {}
    return Reply(200, body)


def list_native_images(context: Context) -> Reply:
    """GET /v2/images, with the links `first` and, on all pages except the last, `next`. Raises: ImsError."""
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
    """One page of images, and whether more follow."""
    query = context.query
    check_query(context)
    limit = _limit(query.get("limit"), default_limit)
    marker = _marker(context)
    key, newest_first = query.get("sort_key", "created_at"), query.get("sort_dir", "desc") == "desc"
    named, deleted = _by_id_or_name(context), list[Image]()
    if named is None and key == "created_at":
        after = None if marker is None else age_of(marker)
        found = _matching(context, context.cloud.images.by_age(newest_first=newest_first, after=after), deleted)
    else:
        candidates = context.cloud.images.values() if named is None else named
        found = _sorted(context, _matching(context, candidates, deleted), key, newest_first, marker)
    page = list(islice(found, limit + 1))
    for image in deleted:
        context.cloud.images.remove_from_indexes(image.id)
    return [{**image.props, **more} for image, more in page[:limit]], len(page) > limit


def _by_id_or_name(context: Context) -> list[Image] | None:
    """The candidates, if the query names an id or a name; None otherwise."""
    images = context.cloud.images
    if (image_id := context.query.get("id")) is not None:
        image = images.get(image_id)
        return [] if image is None else [image]
    name = context.query.get("name")
    return None if name is None else images.named(name)


def _matching(context: Context, candidates: Iterable[Image], deleted: list[Image]) -> Iterator[Found]:
    """The candidates that match. Deleted ones are appended to `deleted`, to be removed from the indexes."""
    for image in candidates:
        if image.deleted_at is not None and context.now >= image.deleted_at:
            deleted.append(image)
        elif _listed(context, image):
            more = computed(context.cloud, image, context.caller.project_id, context.now)
            if matches(context, image, more):
                yield image, more


def _sorted(
    context: Context, found: Iterable[Found], key: str, newest_first: bool, marker: Image | None
) -> Iterator[Found]:
    def place(image: Image, more: JsonObject) -> tuple[tuple[int, float, str], int]:
        return _sortable(more.get(key, image.props.get(key))), image.sequence

    rows = sorted(((place(*row), row) for row in found), key=lambda item: item[0], reverse=newest_first)
    if marker is None:
        return (row for _, row in rows)
    at = place(marker, computed(context.cloud, marker, context.caller.project_id, context.now))
    return (row for where, row in rows if (where < at if newest_first else where > at))


def _marker(context: Context) -> Image | None:
    """The image after which the page begins. Raises: ImsError IMG.0027."""
    wanted = context.query.get("marker")
    if wanted is None:
        return None
    image = context.cloud.images.get(wanted)
    if image is None or not _listed(context, image):
        raise ImsError("IMG.0027", "The marker is not the ID of an image in the list.")
    return image


def _listed(context: Context, image: Image) -> bool:
    project_id = context.caller.project_id
    if not visible_to(context.cloud, image, project_id, context.now):
        return False
    if image.owner == project_id or image.text("visibility") == "public":
        return True
    accepted = image.members.get(project_id) == "accepted"
    return accepted or context.cloud.knobs.list_pending_shared or "member_status" in context.query


def _limit(text: str | None, default: int) -> int:
    if text is None:
        return default
    if not re.fullmatch(r"[1-9]\d{0,5}", text, re.ASCII):
        raise ImsError("IMG.0017", "The value of limit is invalid.")
    return min(int(text), MAX_LIMIT)


def _sortable(value: JsonValue) -> tuple[int, float, str]:
    """A sort key: numbers first, by value, then everything else, by its text."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return (0, float(value), "")
    return (1, 0.0, as_text(value))
