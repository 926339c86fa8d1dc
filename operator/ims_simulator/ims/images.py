"""Single images: reading and deleting one, and the quota.

Sources: "OTC IMS API reference, Querying Image Details (Native OpenStack API)", "Deleting an Image", "Querying the
Image Quota" and "Error Codes".
"""

from __future__ import annotations

from ims_simulator.gateway.authentication import require_change
from ims_simulator.gateway.context import Context
from ims_simulator.ims.copies import fail_copies_of
from ims_simulator.ims.lookup import native_image
from ims_simulator.ims.rows import row_of, status_of
from ims_simulator.replies.errors import GlanceError, ImsError, Reply


def show_image(context: Context) -> Reply:
    """GET /v2/images/{image_id}. Raises: GlanceError 404."""
    image = native_image(context)
    return Reply(200, row_of(context.cloud, image, context.caller.project_id, context.now))


def delete_image(context: Context) -> Reply:
    """DELETE /v2/images/{image_id}; 204, and the image can be read for a while yet. Raises: ImsError, GlanceError."""
    cloud, now = context.cloud, context.now
    require_change(cloud, context.caller)
    if context.raw.strip():
        _check_options(context)
    try:
        image = native_image(context)
    except GlanceError:
        if cloud.knobs.delete_missing == 204:
            return Reply(204)
        raise
    if image.text("visibility") == "public":
        raise ImsError("IMG.0094")
    if image.owner != context.caller.project_id:
        raise ImsError("IMG.0092")
    if image.props.get("protected") is True:
        raise ImsError(cloud.knobs.protected_code)
    if status_of(cloud, image, now) in ("queued", "saving"):
        raise ImsError("IMG.0090")
    if not cloud.knobs.delete_fails and image.deleted_at is None:
        image.deleted_at = now + cloud.knobs.delete_delay_seconds
        cloud.images.put(image)
        fail_copies_of(context, image.id)
    return Reply(204)


def _check_options(context: Context) -> None:
    if not isinstance(context.json_object().get("delete_backup", False), bool):
        raise ImsError("IMG.0001", "delete_backup must be true or false.")


def show_quota(context: Context) -> Reply:
    """GET /v1/cloudimages/quota."""
    used = context.cloud.quota_used(context.caller.project_id, context.now)
    return Reply(
        200,
        {
            "quotas": {
                "resources": [
                    {"type": "image", "used": used, "quota": context.cloud.knobs.quota, "min": 1, "max": 1000}
                ]
            }
        },
    )
