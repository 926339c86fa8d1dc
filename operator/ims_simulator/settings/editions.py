"""Editions: presets of knobs that follow the documentation of one cloud.

A preset contains only values that differ from the knobs' defaults, each with its source. Where the documentation of a
cloud says nothing, the default stays. A knob that is set by name overrides the preset. [V]: verified in the page named;
[I]: inferred from it.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import JsonValue

from ims_simulator.settings.knobs import shown


@dataclass(frozen=True)
class Difference:
    """The value of one knob in a preset, and the source of the value."""

    value: JsonValue
    source: str


@dataclass(frozen=True)
class Edition:
    """The preset of one cloud."""

    cloud: str
    differences: dict[str, Difference]

    @property
    def knobs(self) -> dict[str, JsonValue]:
        """The knobs of the preset with their values."""
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
    """A name and a description of every edition, for --help."""
    return [
        (name, f"{edition.cloud}: {', '.join(f'{knob}={shown(value)}' for knob, value in edition.knobs.items())}")
        for name, edition in EDITIONS.items()
    ]
