"""The tags of images: reading, setting and removing them, one or several at a time.

Sources: "OTC IMS API reference, Adding or Deleting Image Tags" (204, idempotent, at most 10 tags), "Adding an Image
Tag", "Deleting an Image Tag" (204, and 404 for a missing key), "Querying Tags of an Image", "Querying All
Image Tags", "Adding a Tag (Native OpenStack API)" and "Deleting a Tag (Native OpenStack API)" (keys alone), "Image Tag
Format". The code of the 404 is not documented.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pydantic import JsonValue

from ims_simulator.clock.timestamps import iso_seconds
from ims_simulator.gateway.authentication import require_change, require_project
from ims_simulator.gateway.context import Context
from ims_simulator.ims.lookup import own_image, own_native_image
from ims_simulator.ims.rows import visible_to
from ims_simulator.replies.errors import GlanceError, ImsError, Reply
from ims_simulator.state.records import Image

MAX_TAGS = 10
_TAG_KEY = re.compile(r"[\w\-\u3400-\u9fff]{1,36}")
_NATIVE_TAG = re.compile(r"[A-Za-z0-9_\-]{1,255}")
_TAG_VALUE = re.compile(r"[\w\-.\u3400-\u9fff]{0,43}")


def change_tags(context: Context) -> Reply:
    """POST /v2/{project_id}/images/{image_id}/tags/action: sets or removes several tags, 204. Raises: ImsError."""
    require_project(context.caller, context.params["project_id"])
    require_change(context.cloud, context.caller)
    body = context.json_object()
    image = own_image(context)
    action = body.get("action")
    if action not in ("create", "delete"):
        raise ImsError("IMG.0115", "action must be create or delete.")
    tags = tags_of(image)
    wanted = body.get("tags")
    if not isinstance(wanted, list) or not wanted:
        raise ImsError("IMG.0115", "tags must be a list with at least one tag.")
    for tag in wanted:
        key, value = _parse_tag(tag, needs_value=action == "create")
        if action == "create":
            tags[key] = value
        elif not value or tags.get(key) == value:
            tags.pop(key, None)
    return _save_tags(context, image, tags)


def add_tag(context: Context) -> Reply:
    """POST /v2/{project_id}/images/{image_id}/tags: sets one tag, 204. Raises: ImsError."""
    require_project(context.caller, context.params["project_id"])
    require_change(context.cloud, context.caller)
    tag = context.json_object().get("tag")
    image = own_image(context)
    key, value = _parse_tag(tag, needs_value=True)
    return _save_tags(context, image, {**tags_of(image), key: value})


def remove_tag(context: Context) -> Reply:
    """DELETE /v2/{project_id}/images/{image_id}/tags/{key}: 204. Raises: ImsError, status 404 for a missing key."""
    require_project(context.caller, context.params["project_id"])
    require_change(context.cloud, context.caller)
    image = own_image(context)
    tags = tags_of(image)
    if tags.pop(context.params["key"], None) is None:
        raise ImsError("IMG.0121", status=404)
    return _save_tags(context, image, tags)


def add_native_tag(context: Context) -> Reply:
    """PUT /v2/images/{image_id}/tags/{tag}: sets a tag without a value, 204. Raises: GlanceError, ImsError."""
    require_change(context.cloud, context.caller)
    image, tag = own_native_image(context), context.params["tag"]
    if not _NATIVE_TAG.fullmatch(tag):
        raise GlanceError(400, "A tag has 1 to 255 letters, digits, _ or -.")
    return _save_tags(context, image, {**tags_of(image), tag: ""})


def remove_native_tag(context: Context) -> Reply:
    """DELETE /v2/images/{image_id}/tags/{tag}: 204. Raises: GlanceError."""
    require_change(context.cloud, context.caller)
    image, tag = own_native_image(context), context.params["tag"]
    tags = tags_of(image)
    if tags.pop(tag, None) is None:
        raise GlanceError(404, f"The image has no tag {tag}.")
    return _save_tags(context, image, tags)


def _save_tags(context: Context, image: Image, tags: dict[str, str]) -> Reply:
    if len(tags) > MAX_TAGS:
        raise ImsError("IMG.0116")
    image.props = {**image.props, "tags": [f"{key}={value}" for key, value in tags.items()]}
    image.props["updated_at"] = iso_seconds(context.now)
    context.cloud.images.put(image)
    return Reply(204)


def show_tags(context: Context) -> Reply:
    """GET /v2/{project_id}/images/{image_id}/tags. Raises: ImsError."""
    require_project(context.caller, context.params["project_id"])
    return Reply(200, {"tags": listed_tags(own_image(context))})


def show_all_tags(context: Context) -> Reply:
    """GET /v2/{project_id}/images/tags: every key with its values. Raises: ImsError."""
    require_project(context.caller, context.params["project_id"])
    found: dict[str, dict[str, None]] = {}
    for image in own_images(context):
        for key, value in tags_of(image).items():
            found.setdefault(key, {})[value] = None
    return Reply(200, {"tags": [{"key": key, "values": list[JsonValue](values)} for key, values in found.items()]})


def own_images(context: Context) -> Iterator[Image]:
    """The visible images of the caller's project, oldest first."""
    project_id = context.caller.project_id
    for image in context.cloud.images.values():
        if image.owner == project_id and visible_to(context.cloud, image, project_id, context.now):
            yield image


def tags_of(image: Image) -> dict[str, str]:
    """Tags of an image in their order. The attribute `tags` has them as key=value."""
    tags = image.props.get("tags")
    pairs = [str(tag).partition("=") for tag in tags] if isinstance(tags, list) else []
    return {key: value for key, _, value in pairs}


def listed_tags(image: Image) -> list[JsonValue]:
    """Tags of an image as replies list them: objects with a key and a value."""
    return [{"key": key, "value": value} for key, value in tags_of(image).items()]


def _parse_tag(tag: JsonValue, *, needs_value: bool) -> tuple[str, str]:
    if not isinstance(tag, dict):
        raise ImsError("IMG.0115")
    key, value = tag.get("key"), tag.get("value", None if needs_value else "")
    if not isinstance(key, str) or not _TAG_KEY.fullmatch(key):
        raise ImsError("IMG.0115", "A tag key has 1 to 36 letters, digits, _ or -.")
    if not isinstance(value, str) or not _TAG_VALUE.fullmatch(value):
        raise ImsError("IMG.0115", "A tag value has at most 43 letters, digits, _, - or full stops.")
    return key, value
