"""An image at a moment: whether it is there, for whom, and what its row says.

Sources: "OTC IMS API reference, Querying Images" and "Image Attributes" (flat keys, times, lineage). Which status a
copy has while its job runs is not documented, hence the knobs.
"""

from __future__ import annotations

from ims_simulator.clock.timestamps import iso_seconds
from ims_simulator.parsing import JsonObject
from ims_simulator.state.cloud import Cloud
from ims_simulator.state.records import Image


def visible_to(cloud: Cloud, image: Image, project_id: str, now: float) -> bool:
    """Whether a project can read an image by its id."""
    if cloud.gone(image, now) or now < image.hidden_until:
        return False
    return image.owner == project_id or image.text("visibility") == "public" or project_id in image.members


def status_of(cloud: Cloud, image: Image, now: float) -> str:
    """Status of an image; for a copy it follows from its job."""
    job = cloud.job_of(image)
    if job is not None and job.phase(now) != "SUCCESS":
        if job.phase(now) == "FAIL":
            return "killed"
        how = cloud.knobs.copying_image_status
        if how == "both":
            return "queued" if job.phase(now) == "INIT" else "saving"
        return how
    return image.text("status")


def computed(cloud: Cloud, image: Image, project_id: str, now: float) -> JsonObject:
    """The attributes of an image that follow from the moment and from who asks."""
    row: JsonObject = {"status": status_of(cloud, image, now)}
    if image.owner != project_id and project_id in image.members:
        row["__imagetype"] = "shared"
        row["member_status"] = image.members[project_id]
    job = cloud.job_of(image)
    if job is not None:
        if job.phase(now) == "SUCCESS" and job.ends_at is not None:
            done = iso_seconds(job.ends_at)
            row["updated_at"] = max(image.text("updated_at"), done)
            if cloud.knobs.active_at:
                row["active_at"] = done
        elif not cloud.knobs.registered_while_copying:
            row["__isregistered"] = "false"
    return row


def row_of(cloud: Cloud, image: Image, project_id: str, now: float) -> JsonObject:
    """The document that reads answer to a project."""
    return {**image.props, **computed(cloud, image, project_id, now)}
