"""Finds the image that a request names in its path, and checks its owner.

The two APIs answer with different errors: IMG codes from /v2/cloudimages, plain HTTP statuses from /v2/images.
"""

from __future__ import annotations

from ims_simulator.gateway.context import Context
from ims_simulator.ims.rows import visible_to
from ims_simulator.replies.errors import GlanceError, ImsError
from ims_simulator.state.records import Image


def find_image(context: Context) -> Image:
    """The image of the path. Raises: ImsError (knobs unknown_image_code and unknown_image_status)."""
    image, knobs = _visible(context), context.cloud.knobs
    if image is None:
        raise ImsError(knobs.unknown_image_code, status=knobs.unknown_image_status)
    return image


def own_image(context: Context) -> Image:
    """The image of the path, if the caller's project owns it. Raises: ImsError."""
    image = find_image(context)
    if image.owner != context.caller.project_id:
        raise ImsError("IMG.0047")
    return image


def native_image(context: Context) -> Image:
    """The image of the path, for the native API. Raises: GlanceError 404."""
    image = _visible(context)
    if image is None:
        raise GlanceError(404, f"No image found with ID {context.params['image_id']}")
    return image


def own_native_image(context: Context) -> Image:
    """The image of the path for the native API, if the caller's project owns it. Raises: GlanceError 404 or 403."""
    image = native_image(context)
    if image.owner != context.caller.project_id:
        raise GlanceError(403, "Only the owner may change the image.")
    return image


def _visible(context: Context) -> Image | None:
    image = context.cloud.images.get(context.params["image_id"])
    if image is None or not visible_to(context.cloud, image, context.caller.project_id, context.now):
        return None
    return image
