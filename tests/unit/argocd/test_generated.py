"""The generated files below deploy/argocd are current, and the patch of argocd-cm has the keys that Argo CD reads."""

import pytest
import yaml
from jsonschema import Draft202012Validator

from gitops import generate
from gitops.argocd import GROUP, KINDS, Manifest, folder
from gitops.providers import providers
from gitops.stages import image_copies
from imagecopy.api.crd import crds
from unit.api.schemas import schemas

_DATA: dict[str, str] = yaml.safe_load(generate.PATCH.read_text())["data"]


def test_generated_files_are_current() -> None:
    assert generate.stale() == [], "run make argocd"


@pytest.mark.parametrize("kind", KINDS)
def test_patch_holds_the_health_check_of_each_kind(kind: str) -> None:
    assert _DATA[f"resource.customizations.health.{GROUP}_{kind}"] == (folder(kind) / "health.lua").read_text()


def test_patch_holds_the_actions() -> None:
    actions = folder("ImageCopy") / "actions"
    told = yaml.safe_load(_DATA[f"resource.customizations.actions.{GROUP}_ImageCopy"])
    assert told["discovery.lua"] == (actions / "discovery.lua").read_text()
    assert {one["name"]: one["action.lua"] for one in told["definitions"]} == {
        path.parent.name: path.read_text() for path in actions.glob("*/action.lua")
    }


def test_our_kinds_are_those_of_the_crds() -> None:
    definitions = [crd["spec"] for crd in crds().values()]
    assert {(spec["group"], spec["names"]["kind"]) for spec in definitions} == {(GROUP, kind) for kind in KINDS}


OBJECTS: dict[str, Manifest] = {
    f"{obj['kind']}-{name}": obj
    for objects in (image_copies(), providers("ImageProvider"), providers("ClusterImageProvider"))
    for name, obj in objects.items()
}


@pytest.mark.parametrize("name", sorted(OBJECTS))
def test_objects_of_the_tests_fit_the_schema(name: str) -> None:
    errors = Draft202012Validator(schemas()[OBJECTS[name]["kind"]]).iter_errors(OBJECTS[name])
    assert [error.message for error in errors] == []
