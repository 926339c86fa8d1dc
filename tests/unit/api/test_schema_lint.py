"""Each field of the API is described, bounded and structural."""

import re
from enum import StrEnum
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from imagecopy.api.conditions import ConditionType, ProviderReason, Reason
from imagecopy.api.imagecopy import Phase
from unit.api.schemas import Node, nodes, schemas

_ALL = nodes()
_FIELDS = [node for node in _ALL if node.is_field and node.path.count(".") > 1]
_RULES = "x-kubernetes-validations"
_EXAMPLE = re.compile(r" Example: (.+)$")
_SHORTEST_DESCRIPTION = 15


def _value(text: str) -> Any:
    """Read a YAML value as JSON has it: times stay strings."""
    return yaml.load(text, Loader=yaml.BaseLoader) if re.fullmatch(r"'?\d{4}-.*Z'?", text) else yaml.safe_load(text)


def _words(description: str) -> str:
    return re.split(r" (?:Known values|Default|Example): ", description)[0]


@pytest.mark.parametrize("node", _ALL, ids=str)
def test_everything_is_described(node: Node) -> None:
    if node.path.endswith("<>"):
        return
    words = _words(node.schema["description"])
    assert len(words) >= _SHORTEST_DESCRIPTION
    assert words.endswith(".")


@pytest.mark.parametrize("node", _FIELDS, ids=str)
def test_example_is_valid(node: Node) -> None:
    found = _EXAMPLE.search(node.schema["description"])
    assert found, "has no example"
    Draft202012Validator(node.schema).validate(_value(found[1]))


@pytest.mark.parametrize("node", [node for node in _FIELDS if node.schema.get("default")], ids=str)
def test_default_is_described(node: Node) -> None:
    described = re.search(r" Default: (.+?)\.(?: Example|$)", node.schema["description"])
    assert described
    assert _value(described[1]) == node.schema["default"]


@pytest.mark.parametrize("node", [node for node in _FIELDS if node.path.endswith("Seconds")], ids=str)
def test_unit_of_seconds_is_described(node: Node) -> None:
    assert "in seconds" in node.schema["description"]


@pytest.mark.parametrize("node", _ALL, ids=str)
def test_everything_is_bounded(node: Node) -> None:
    match node.type:
        case "string":
            assert "enum" in node.schema or node.schema["maxLength"] > 0
        case "array":
            assert node.schema["maxItems"] > 0
        case "object" if node.is_map:
            assert node.schema["maxProperties"] > 0
        case "object":
            assert node.schema["properties"]
        case "integer" if ".spec." in node.path:
            assert node.schema["minimum"] <= node.schema["maximum"]
        case other:
            assert other in {"integer", "boolean"}


@pytest.mark.parametrize("node", _ALL, ids=str)
def test_merge_strategy_is_set(node: Node) -> None:
    if node.type == "array":
        assert node.schema["x-kubernetes-list-type"] in {"atomic", "map"}
    if node.is_map:
        assert node.schema["x-kubernetes-map-type"] == "granular"
    if node.path.endswith("Ref"):
        assert node.schema["x-kubernetes-map-type"] == "atomic"


@pytest.mark.parametrize("kind", schemas())
def test_conditions_are_a_map_by_type(kind: str) -> None:
    (conditions,) = (node for node in _ALL if node.path == f"{kind}.status.conditions")
    assert conditions.schema["x-kubernetes-list-type"] == "map"
    assert conditions.schema["x-kubernetes-list-map-keys"] == ["type"]
    assert conditions.schema["maxItems"] >= len(ConditionType)


@pytest.mark.parametrize("node", _ALL, ids=str)
def test_schema_is_structural(node: Node) -> None:
    forbidden = {"$ref", "$defs", "anyOf", "oneOf", "allOf", "title", "const", "nullable", "pattern", "examples"}
    assert not forbidden & node.schema.keys()


@pytest.mark.parametrize("node", _ALL, ids=str)
def test_defaults_are_only_where_they_do_no_harm(node: Node) -> None:
    # With defaults in list items or in status, an object always differs from what was applied or written.
    allowed = node.path.endswith(".status") or (".spec." in node.path and "[]" not in node.path)
    assert allowed or "default" not in node.schema


def test_status_of_a_new_object_is_in_progress_for_kstatus() -> None:
    new = {kind: schema["properties"]["status"]["default"] for kind, schema in schemas().items()}
    assert new == {
        "ImageCopy": {"observedGeneration": -1, "phase": "Pending"},
        "ImageProvider": {"observedGeneration": -1},
        "ClusterImageProvider": {"observedGeneration": -1},
    }


@pytest.mark.parametrize("node", [node for node in _ALL if ".status" in node.path], ids=str)
def test_status_holds_no_rules_and_requires_nothing_outside_its_entries(node: Node) -> None:
    assert _RULES not in node.schema
    if "required" in node.schema:
        part = node.path.partition(".status.")[2]
        assert part in {"attempt", "attempts[]", "conditions[]", "images"}


@pytest.mark.parametrize("node", [node for node in _ALL if _RULES in node.schema], ids=str)
def test_each_rule_has_a_message_of_one_line(node: Node) -> None:
    for rule in node.schema[_RULES]:
        assert rule["message"]
        assert "\n" not in rule["message"]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("ImageCopy.status.phase", Phase),
        ("ImageCopy.status.conditions[].type", ConditionType),
        ("ImageCopy.status.conditions[].reason", Reason),
        ("ImageProvider.status.conditions[].reason", ProviderReason),
        ("ClusterImageProvider.status.conditions[].reason", ProviderReason),
    ],
)
def test_open_words_are_listed_and_any_other_fits(path: str, words: type[StrEnum]) -> None:
    (node,) = (node for node in _ALL if node.path == path)
    assert "enum" not in node.schema
    assert f"Known values: {', '.join(words)}." in node.schema["description"]


def test_each_part_of_the_target_but_tags_is_fixed() -> None:
    (target,) = (node for node in _ALL if node.path == "ImageCopy.spec.target")
    fixed = {rule["fieldPath"].removeprefix(".") for rule in target.schema[_RULES]}
    assert fixed == target.schema["properties"].keys() - {"tags"}
