"""What a project sees of an image at a given time: whether it is visible, its status, and its row.

Sources: "OTC IMS API reference, Querying Images" and "Image Attributes" (flat keys, times, lineage). The status of a
copy while its job runs is not documented, hence the knobs.
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
    """Status of an image; that of a copy depends on its job."""
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
    """The attributes of an image that depend on the time and on the project that reads it."""
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
    """The row of an image, as replies to a project show it."""
    return {**image.props, **computed(cloud, image, project_id, now)}
