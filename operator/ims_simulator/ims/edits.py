"""Both PATCH calls: they change the attributes of an image.

Sources: "OTC IMS API reference, Updating an Image" (`replace` needs an existing attribute, else IMG.0035; only
active images) and "Modifying an Image (Native OpenStack API)" (content type; `add` overwrites).
"""

from __future__ import annotations

import re
from collections.abc import Callable

from pydantic import JsonValue

from ims_simulator.clock.timestamps import iso_seconds
from ims_simulator.gateway.authentication import require_change
from ims_simulator.gateway.context import Context
from ims_simulator.ims.checks import check_description, check_enterprise_project, check_name
from ims_simulator.ims.lookup import own_image, own_native_image
from ims_simulator.ims.rows import row_of, status_of
from ims_simulator.parsing import JsonObject
from ims_simulator.replies.errors import GlanceError, ImsError, Reply
from ims_simulator.state.records import Image

PATCH_TYPES = ("application/openstack-images-v2.1-json-patch", "application/openstack-images-v2.0-json-patch")
READ_ONLY = frozenset(
    {
        "id",
        "status",
        "owner",
        "created_at",
        "updated_at",
        "active_at",
        "size",
        "checksum",
        "schema",
        "self",
        "file",
        "tags",
        "virtual_env_type",
        "__imagetype",
        "__isregistered",
        "__system__cmkid",
        "__image_size",
        "__data_origin",
        "__originalimagename",
        "__whole_image",
        "__root_origin",
        "__image_source_type",
        "__image_location",
        "member_status",
    }
)

_ATTRIBUTE = re.compile(r"[a-z0-9_][a-z0-9_.\-]*")


def patch_cloud_image(context: Context) -> Reply:
    """PATCH /v2/cloudimages/{image_id}; the reply is 200 and the image. Raises: ImsError."""
    require_change(context.cloud, context.caller)
    operations = context.json(*PATCH_TYPES)
    image = own_image(context)
    if status_of(context.cloud, image, context.now) != "active":
        raise ImsError("IMG.0046")
    return _patch(context, image, operations, lambda code, text: ImsError(code, text))


def patch_native_image(context: Context) -> Reply:
    """PATCH /v2/images/{image_id} with its own content type. Raises: GlanceError, ImsError."""
    require_change(context.cloud, context.caller)
    if context.content_type not in PATCH_TYPES:
        raise GlanceError(415, f"Content-Type must be one of {', '.join(PATCH_TYPES)}.")
    image = own_native_image(context)
    try:
        operations = context.json(*PATCH_TYPES)
    except ImsError as error:
        raise GlanceError(400, error.message) from None
    statuses = {"IMG.0035": 409, "IMG.0105": 403}
    return _patch(context, image, operations, lambda code, text: GlanceError(statuses.get(code, 400), text))


def _patch(
    context: Context,
    image: Image,
    operations: JsonValue,
    refusal: Callable[[str, str], Exception],
) -> Reply:
    if not isinstance(operations, list) or not operations:
        raise refusal("IMG.0001", "The body must be a JSON array of operations.")
    props = dict(image.props)
    for operation in operations:
        if not isinstance(operation, dict):
            raise refusal("IMG.0001", "Each operation must be a JSON object.")
        _apply(context, props, operation, refusal)
    props["updated_at"] = iso_seconds(context.now)
    image.props = props
    context.cloud.images.put(image)
    return Reply(200, row_of(context.cloud, image, context.caller.project_id, context.now))


def _apply(
    context: Context, props: JsonObject, operation: JsonObject, refusal: Callable[[str, str], Exception]
) -> None:
    verb, path = operation.get("op"), operation.get("path")
    if verb not in ("add", "replace", "remove"):
        raise refusal("IMG.0001", "op must be add, replace or remove.")
    if not isinstance(path, str) or not path.startswith("/") or not _ATTRIBUTE.fullmatch(path[1:]):
        raise refusal("IMG.0001", "path must be / and the name of an attribute in lower case.")
    attribute = path[1:]
    if attribute in READ_ONLY:
        raise refusal("IMG.0105", f"The attribute {attribute} is read-only.")
    if verb in ("replace", "remove") and attribute not in props:
        raise refusal("IMG.0035", f"The attribute {attribute} does not exist.")
    if verb == "remove":
        if attribute in ("name", "min_ram", "min_disk", "visibility", "protected"):
            raise refusal("IMG.0105", f"The attribute {attribute} cannot be removed.")
        del props[attribute]
        return
    if "value" not in operation:
        raise refusal("IMG.0001", "value is missing.")
    try:
        props[attribute] = _checked(context, attribute, operation["value"])
    except ImsError as error:
        raise refusal(error.code, error.message) from None


def _checked(context: Context, attribute: str, value: JsonValue) -> JsonValue:
    if attribute == "name":
        return check_name(value, context.cloud.knobs)
    if attribute == "__description":
        return check_description(value, context.cloud.knobs)
    if attribute == "enterprise_project_id":
        return check_enterprise_project(context.cloud, value)
    if attribute in ("min_ram", "min_disk"):
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise ImsError("IMG.0035", f"{attribute} must be a whole number.")
        return value
    if attribute == "max_ram" and not (isinstance(value, str) and value.isdecimal()):
        raise ImsError("IMG.0035", "max_ram must be a whole number as a string.")
    if attribute == "protected":
        if not isinstance(value, bool):
            raise ImsError("IMG.0035", "protected must be true or false.")
        return value
    if not isinstance(value, str):
        raise ImsError("IMG.0035", f"The value of {attribute} must be a string.")
    return value
