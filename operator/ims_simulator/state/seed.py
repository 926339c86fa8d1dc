"""The source images and KMS keys that a new simulator starts with. Every id follows from the seed.

`GET /_simulator/config` shows the ids for any seed. Those of the default seed may be used in manifests:

  source images, by kind (the name is "sim-" and the kind)
    plain             080d465d-0dec-4a4a-878e-7dec77c7560b
    encrypted         61a143b2-01a9-4740-abc4-05073a1236ca
    full-ecs          96dac510-dd91-4ebd-affe-52cf1a2dbdcf
    iso               5960b635-0a23-4274-bab5-2542a2e4bd7e
    too-big           85138598-2359-4779-a1f9-0e75d143b0cc
    queued            8d835d0e-853b-4e4f-8df8-cddd4d937b42
    ironic            7f3ecc16-bad0-412f-9f00-bcb1579d1cee
    shared-pending    066f615a-4329-43ae-9ddc-81dbbf253c7f
    shared            6d028847-c9c3-4005-a1fc-833e84d0426a
    shared-encrypted  db1b5025-781d-4137-93d6-dcc22c3b3539
    public            87570827-1fed-4d73-b221-4b6517d4c317
    protected         d47aea6b-2f36-4ca6-9b8a-8f37f18bc6ac

  KMS keys, by name; "source" is the key of the encrypted images
    usable            232b7089-e248-4037-bc67-335ac19ba8cb
    usable-2          ada3078c-a3c6-4d6d-82e8-59e159ed039e
    source            e6fb19fb-271a-4433-9725-9564ca019862
    disabled          aea15bda-1ce8-4a74-8904-9aa650e4f94f
    no-access         df314e99-12bd-4074-b6fd-0d8fda4cf310
    limited           2f566b9d-36fa-4389-a30f-590f2e65a042

  project                  7e112df84f7f2689b64bd7e87ba45113

Attribute values are those of published examples ("OTC IMS API reference, Querying Images", "Updating an Image").
"""

from __future__ import annotations

from ims_simulator.parsing import JsonObject
from ims_simulator.state.accounts import REGION, accounts
from ims_simulator.state.ids import uuid_id
from ims_simulator.state.records import Image, KeyState, KmsKey

DEFAULT_SEED = 1
GIB = 1024**3
SEEDED_AT = "2024-03-01T12:00:00Z"


def kms_keys(seed: int) -> list[KmsKey]:
    """Usable keys, and one key for each reason why a key can't be used."""
    keys: list[tuple[str, KeyState]] = [
        ("usable", "enabled"),
        ("usable-2", "enabled"),
        ("source", "enabled"),
        ("disabled", "disabled"),
        ("no-access", "no_access"),
        ("limited", "limited"),
    ]
    return [KmsKey(id=uuid_id(seed, f"kms/{name}"), name=name, state=state) for name, state in keys]


def base_props(image_id: str, name: str, owner: str, region: str = REGION) -> JsonObject:
    """Attributes of a plain private Linux image of 10 GiB as the API shows them: flat keys, mostly strings."""
    return {
        "id": image_id,
        "name": name,
        "status": "active",
        "owner": owner,
        "visibility": "private",
        "protected": False,
        "tags": [],
        "disk_format": "zvhd2",
        "container_format": "bare",
        "virtual_env_type": "FusionCompute",
        "min_disk": 10,
        "min_ram": 0,
        "max_ram": "0",
        "size": 2,
        "checksum": "99914b932bd37a50b983c5e7c90ae93b",
        "created_at": SEEDED_AT,
        "updated_at": SEEDED_AT,
        "active_at": SEEDED_AT,
        "enterprise_project_id": "0",
        "schema": "/v2/schemas/image",
        "self": f"/v2/images/{image_id}",
        "file": f"/v2/images/{image_id}/file",
        "hw_firmware_type": "bios",
        "__imagetype": "private",
        "__isregistered": "true",
        "__image_source_type": "uds",
        "__image_size": str(10 * GIB),
        "__os_type": "Linux",
        "__os_bit": "64",
        "__os_version": "Ubuntu 22.04 server 64bit",
        "__platform": "Ubuntu",
        "__support_kvm": "true",
        "__lazyloading": "true",
        "__root_origin": "file",
        "__data_origin": f"file,sim-bucket:{name}.zvhd2",
        "__originalimagename": "",
        "__description": "",
        "__sequence_num": "0",
        "__image_location": f"{region}:sim-bucket:{image_id}",
    }


def source_images(seed: int) -> list[Image]:
    """The source images, one for each case."""
    own = accounts(seed)
    source_key = uuid_id(seed, "kms/source")
    special: dict[str, JsonObject] = {
        "plain": {},
        "encrypted": {"__system__cmkid": source_key},
        "full-ecs": {"__whole_image": "true", "__backup_id": uuid_id(seed, "backup")},
        "iso": {"virtual_env_type": "IsoImage", "disk_format": "iso"},
        "too-big": {"__image_size": str(200 * GIB), "min_disk": 200},
        "queued": {"status": "queued", "__image_size": "0", "active_at": None},
        "ironic": {"virtual_env_type": "Ironic"},
        "shared-pending": {},
        "shared": {},
        "shared-encrypted": {"__system__cmkid": source_key},
        "public": {"visibility": "public", "__imagetype": "gold"},
        "protected": {"protected": True},
    }
    images = []
    for number, (kind, changes) in enumerate(special.items()):
        image_id = uuid_id(seed, f"image/{kind}")
        foreign = kind.startswith("shared") or kind == "public"
        props = base_props(image_id, f"sim-{kind}", own.foreign_project_id if foreign else own.project.id)
        if kind.startswith("shared"):
            props["visibility"] = "shared"
        members = {}
        if kind.startswith("shared"):
            members = {own.project.id: "pending" if kind == "shared-pending" else "accepted"}
        props.update({key: value for key, value in changes.items() if value is not None})
        props = {key: value for key, value in props.items() if key not in changes or changes[key] is not None}
        images.append(Image(id=image_id, sequence=number + 1, kind=kind, props=props, members=members))
    return images
