"""The customizations of Argo CD pass their tests, which have Argo CD's format."""

from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from gitops.argocd import CUSTOMIZATIONS, KINDS, act, check, discover, folder, patch_of
from gitops.stages import NEVER
from imagecopy.api.imagecopy import RETRY_ANNOTATION


@dataclass(frozen=True)
class Case:
    """One entry of a health_test.yaml or action_test.yaml."""

    folder: Path
    entry: dict[str, Any]

    def load(self, key: str) -> dict[str, Any]:
        found: dict[str, Any] = yaml.safe_load((self.folder / self.entry[key]).read_text())
        return found

    def __str__(self) -> str:
        where = self.folder.relative_to(CUSTOMIZATIONS).parts[1]
        return f"{where}-{self.entry.get('action', '')}-{Path(self.entry['inputPath']).stem}"


def _cases(pattern: str, key: str) -> list[Case]:
    return [
        Case(path.parent, entry)
        for path in sorted(CUSTOMIZATIONS.rglob(pattern))
        for entry in yaml.safe_load(path.read_text())[key]
    ]


HEALTH = _cases("health_test.yaml", "tests")
DISCOVERY = _cases("action_test.yaml", "discoveryTests")
ACTIONS = _cases("action_test.yaml", "actionTests")


@pytest.mark.parametrize("case", HEALTH, ids=str)
def test_health(case: Case) -> None:
    assert asdict(check(case.load("inputPath"))) == case.entry["healthStatus"]


@pytest.mark.parametrize("case", DISCOVERY, ids=str)
def test_actions_that_are_offered(case: Case) -> None:
    offered = [{"name": name, **action} for name, action in discover(case.load("inputPath")).items()]
    assert sorted(offered, key=lambda action: action["name"]) == sorted(
        case.entry["result"], key=lambda action: str(action["name"])
    )


@pytest.mark.parametrize("case", ACTIONS, ids=str)
def test_what_an_action_makes_of_an_object(case: Case) -> None:
    made = act(case.entry["action"], case.load("inputPath"))
    annotations = made["metadata"].get("annotations", {})
    if RETRY_ANNOTATION in annotations:
        asked = datetime.fromisoformat(annotations[RETRY_ANNOTATION])
        assert asked.utcoffset() is not None
        annotations[RETRY_ANNOTATION] = NEVER
    assert made == case.load("expectedOutputPath")


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_a_tested_health_check(kind: str) -> None:
    assert (folder(kind) / "health.lua").exists()
    assert [case for case in HEALTH if case.folder == folder(kind)]


def test_each_object_under_testdata_is_used() -> None:
    used = {
        (case.folder / case.entry[key]).resolve()
        for case in (*HEALTH, *DISCOVERY, *ACTIONS)
        for key in ("inputPath", "expectedOutputPath")
        if key in case.entry
    }
    assert {path.resolve() for path in CUSTOMIZATIONS.rglob("testdata/*.yaml")} == used


def test_each_action_is_offered_and_tested() -> None:
    scripts = {path.parent.name for path in CUSTOMIZATIONS.rglob("action.lua")}
    assert {case.entry["action"] for case in ACTIONS} == scripts
    for case in DISCOVERY:
        assert set(discover(case.load("inputPath"))) == scripts


def test_both_kinds_of_provider_have_the_same_health_check() -> None:
    one, other = ((folder(kind) / "health.lua").read_text() for kind in ("ImageProvider", "ClusterImageProvider"))
    assert one == other


@pytest.mark.parametrize("case", ACTIONS, ids=str)
def test_the_patch_of_an_action_holds_one_field(case: Case) -> None:
    """What else a script returns must not look changed: Argo CD would write it."""
    fields = {"retry": ("metadata", "annotations", RETRY_ANNOTATION)}
    node: Any = patch_of(case.entry["action"], case.load("inputPath"))
    for key in fields.get(case.entry["action"], ("spec", "suspend")):
        assert list(node) == [key]
        node = node[key]
