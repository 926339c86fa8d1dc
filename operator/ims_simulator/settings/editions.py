"""Editions of the API as presets of knobs: what the documentation of one cloud says and that of another does not.

A preset holds only what differs from the knobs' defaults, and each value says where it is from. A knob that is set by
name wins over the preset. [V]: read in the page named; [I]: inferred from it. Where an edition's pages are silent,
the default stays.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import JsonValue

from ims_simulator.settings.knobs import shown


@dataclass(frozen=True)
class Difference:
    """One knob of a preset and where its value is from."""

    value: JsonValue
    source: str


@dataclass(frozen=True)
class Edition:
    """A preset."""

    cloud: str
    differences: dict[str, Difference]

    @property
    def knobs(self) -> dict[str, JsonValue]:
        """The preset's knobs and their values."""
        return {name: difference.value for name, difference in self.differences.items()}


EDITIONS: dict[str, Edition] = {
    "huawei": Edition(
        "Huawei Cloud",
        {
            "chinese_names": Difference(True, "Image Attributes, name: Chinese characters are allowed [V]"),
            "permission_status": Difference(400, "Error Codes list IMG.0026 under 400 [V]"),
            "page_info": Difference(True, "Listing Images and the SDK's model: page_info.next_marker [V]"),
            "market_type": Difference(True, "Listing Images: __imagetype has market [V]"),
            "shared_to_encrypted": Difference(
                "refuse", "user guide, Replicating a Shared Image: not to an encrypted one [V]; the code [I]"
            ),
            "windows_images": Difference(
                "refuse", "Replicating an Image Within a Region: no longer for Windows images [V]; the code [I]"
            ),
        },
    ),
    "otc": Edition(
        "Open Telekom Cloud",
        {
            "copy_v21": Difference(False, "no page for /v2.1 [V]"),
            "permission_status": Difference(403, "Error Codes list IMG.0026 under 403 [V]"),
            "show_job_percent": Difference(
                False, "Querying an Asynchronous Job: entities have image_id and image_name alone [V]"
            ),
            "shared_encrypted": Difference(
                "copy", "user guide, Replicating a Shared Image: the key may be replaced [V]"
            ),
        },
    ),
    "swiss": Edition(
        "Swiss OTC",
        {
            "copy_v21": Difference(False, "no page for /v2.1 [V]"),
            "permission_status": Difference(400, "Error Codes list IMG.0026 under 400 [V]"),
            "progress_endpoint": Difference(False, "no page for the progress of a job [V]"),
            "show_job_percent": Difference(
                False, "Querying an Asynchronous Job: entities have image_id and image_name alone, as at OTC [I]"
            ),
            "cmk_id_field": Difference(False, "Replicating an Image Within a Region: no cmk_id [V]"),
            "iso_images": Difference("copy", "Replicating an Image Within a Region: no constraint for ISO [V]"),
        },
    ),
    "flexibleengine": Edition(
        "FlexibleEngine",
        {
            "copy_v21": Difference(False, "no page for /v2.1 [I]"),
            "permission_status": Difference(400, "only OTC lists IMG.0026 under 403 [I]"),
            "enterprise_project_field": Difference(
                False, "Replicating an Image Within a Region: no enterprise_project_id [V]"
            ),
            "unknown_image_status": Difference(404, "Replicating an Image Within a Region: 404 is listed [V]"),
            "size_limit": Difference("off", "Replicating an Image Within a Region: no limit of 128 GiB [V]"),
            "status_case": Difference(
                "lower", "Querying an Asynchronous Job: success and failed in the prose [V]; in replies [I]"
            ),
        },
    ),
}


def help_lines() -> list[tuple[str, str]]:
    """(name, cloud and knobs) of every edition, for --help."""
    return [
        (name, f"{edition.cloud}: {', '.join(f'{knob}={shown(value)}' for knob, value in edition.knobs.items())}")
        for name, edition in EDITIONS.items()
    ]
