"""The checks of a copy request, and the code of each refusal.

Sources: "OTC IMS API reference, Replicating an Image Within a Region", "Image Attributes" and "Error Codes"; for the
limits "OTC IMS user guide, Constraints". The order of the checks is not documented. Here it is: body, fields, source,
keys, limits.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ims_simulator.gateway.authentication import Caller
from ims_simulator.ims.rows import status_of
from ims_simulator.parsing import JsonObject
from ims_simulator.replies.errors import ImsError
from ims_simulator.settings.knobs import Knobs
from ims_simulator.state.cloud import Cloud
from ims_simulator.state.records import Image, KeyState

MAX_NAME = 128
MAX_DESCRIPTION = 1024
MAX_SOURCE_BYTES = 128 * 1024**3
FIELDS = frozenset({"name", "description", "cmk_id", "enterprise_project_id"})

_NAME = re.compile(r"[A-Za-z0-9\-._ ]+")
_NAME_WITH_CHINESE = re.compile(r"[A-Za-z0-9\-._ \u3400-\u9fff]+")
_ALPHANUMERIC = re.compile(r"[A-Za-z0-9]*")
_FORBIDDEN_IN_DESCRIPTION = re.compile(r"[\r\n<>]")

_TARGET_KEY: dict[KeyState, str] = {
    "missing": "IMG.0095",
    "disabled": "IMG.0097",
    "no_access": "IMG.0099",
    "limited": "IMG.0187",
}
_SOURCE_KEY: dict[KeyState, str] = {
    "missing": "IMG.0101",
    "disabled": "IMG.0102",
    "no_access": "IMG.0103",
    "limited": "IMG.0187",
}


@dataclass(frozen=True)
class CopyRequest:
    """The fields of a copy request, after their checks."""

    name: str
    description: str
    cmk_id: str | None
    enterprise_project_id: str


def copy_request(cloud: Cloud, body: JsonObject) -> CopyRequest:
    """Read and check the body of a copy request. Raises: ImsError."""
    knobs = cloud.knobs
    known = FIELDS - ({"cmk_id"} if not knobs.cmk_id_field else set())
    known -= {"enterprise_project_id"} if not knobs.enterprise_project_field else set()
    unknown = sorted(set(body) - known)
    if knobs.extra_copy_fields == "refuse" and unknown:
        raise ImsError("IMG.0001", f"Unknown fields: {', '.join(unknown)}.")
    body = {field: value for field, value in body.items() if field in known}
    name = check_name(body.get("name"), knobs)
    description = check_description(body.get("description"), knobs)
    cmk_id = body.get("cmk_id")
    if cmk_id == "" and knobs.empty_cmk_id == "ignore":
        cmk_id = None
    if cmk_id is not None and not isinstance(cmk_id, str):
        raise ImsError("IMG.0095")
    enterprise_project_id = check_enterprise_project(cloud, body.get("enterprise_project_id"))
    return CopyRequest(name, description, cmk_id, enterprise_project_id)


def check_name(name: object, knobs: Knobs) -> str:
    """Check an image name. Raises: ImsError IMG.0013, 0062, 0002, 0003."""
    if name is None or name == "":
        raise ImsError("IMG.0013")
    if not isinstance(name, str):
        raise ImsError("IMG.0062")
    if _length(name, knobs) > MAX_NAME:
        raise ImsError("IMG.0002")
    pattern = _NAME_WITH_CHINESE if knobs.chinese_names else _NAME
    if name != name.strip(" ") or not pattern.fullmatch(name):
        raise ImsError("IMG.0003")
    return name


def check_description(description: object, knobs: Knobs) -> str:
    """Check an image description. Raises: ImsError IMG.0054, 0004."""
    if description is None:
        return ""
    if not isinstance(description, str):
        raise ImsError("IMG.0054")
    if _length(description, knobs) > MAX_DESCRIPTION:
        raise ImsError("IMG.0004")
    if knobs.description_characters == "letters_and_digits" and not _ALPHANUMERIC.fullmatch(description):
        raise ImsError("IMG.0054")
    if _FORBIDDEN_IN_DESCRIPTION.search(description):
        raise ImsError("IMG.0054")
    return description


def _length(text: str, knobs: Knobs) -> int:
    if knobs.name_length_unit == "bytes":
        return len(text.encode())
    return len(text.encode("utf-16-le")) // 2 if knobs.name_length_unit == "utf16" else len(text)


def check_enterprise_project(cloud: Cloud, value: object) -> str:
    """Check an enterprise project: "0", or one that exists. Raises: ImsError IMG.0155."""
    if value is None or value == "0":
        return "0"
    if value == cloud.accounts.enterprise_project_id:
        return cloud.accounts.enterprise_project_id
    raise ImsError(cloud.knobs.enterprise_project_code)


def check_source(cloud: Cloud, image: Image, request: CopyRequest, caller: Caller, now: float) -> None:
    """Check that an image may be copied. Raises: ImsError."""
    knobs = cloud.knobs
    shared = image.owner != caller.project_id and image.text("visibility") != "public"
    if image.text("visibility") == "public" and knobs.public_images == "refuse":
        raise ImsError("IMG.0105")
    if shared and image.members.get(caller.project_id) != "accepted":
        raise ImsError("IMG.0196")
    if status_of(cloud, image, now) != "active":
        raise ImsError("IMG.0046")
    if image.text("__whole_image").lower() == "true" or image.text("__backup_id"):
        raise ImsError("IMG.0130")
    if is_iso(image) and knobs.iso_images == "refuse":
        raise ImsError("IMG.0167")
    if image.text("__os_type") == "Windows" and knobs.windows_images == "refuse":
        raise ImsError("IMG.0105")
    if shared and image.text("__system__cmkid") and knobs.shared_encrypted == "refuse":
        raise ImsError("IMG.0197")
    if shared and request.cmk_id is not None and knobs.shared_to_encrypted == "refuse":
        raise ImsError("IMG.0105", "A shared image cannot be copied to an encrypted one.")
    if knobs.size_limit != "off" and too_big(image, knobs):
        raise ImsError(knobs.size_limit_code)


def is_iso(image: Image) -> bool:
    """Whether an image was made from an ISO file."""
    return image.text("virtual_env_type") == "IsoImage" or image.text("disk_format") == "iso"


def too_big(image: Image, knobs: Knobs) -> bool:
    """Whether an image exceeds 128 GiB."""
    size = image.text(knobs.size_attribute)
    unit = 1 if knobs.size_attribute == "__image_size" else 1024**3
    return size.isdecimal() and int(size) * unit > MAX_SOURCE_BYTES


def check_keys(cloud: Cloud, image: Image, cmk_id: str | None) -> None:
    """Check the KMS keys of the copy and of its source. Raises: ImsError."""
    source_key = image.text("__system__cmkid")
    if cmk_id is not None:
        if image.text("virtual_env_type") == "Ironic":
            raise ImsError("IMG.0118")
        state = key_state(cloud, cmk_id)
        if state != "enabled":
            raise ImsError(_TARGET_KEY[state])
        if cmk_id == source_key:
            raise ImsError("IMG.0096")
    if source_key:
        state = key_state(cloud, source_key)
        if state != "enabled":
            raise ImsError(_SOURCE_KEY[state])


def key_state(cloud: Cloud, key_id: str) -> KeyState:
    """State of a KMS key; `missing` if there is no such key."""
    key = cloud.keys.get(key_id)
    return "missing" if key is None else key.state
