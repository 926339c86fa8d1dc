"""Converts a pydantic model to the structural schema (OpenAPI v3) of a CRD, as Kubernetes specifies it.

No maintained library does this: kubecrd (last release 2022) takes dataclasses and supports neither CEL rules nor
list types; cloudcoil, kubedantic and k8s-datamodels convert the other way, from schemas to models.

The result differs from pydantic's JSON schema: references are inlined, ``X | None`` becomes an optional X (null is
never stored), and titles are dropped. The default of an object is ``{}``, because its fields have their own defaults.
Defaults and examples are appended to the description, so that ``kubectl explain`` shows them.
"""

from collections.abc import Mapping
from typing import Any, Final

import yaml
from pydantic import BaseModel

Schema = dict[str, Any]

_RULES: Final = "x-kubernetes-validations"
_ORDER: Final = (
    "description",
    "type",
    "format",
    "enum",
    "default",
    "minimum",
    "maximum",
    "maxLength",
    "maxItems",
    "maxProperties",
    "required",
    "properties",
    "additionalProperties",
    "items",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-map-type",
    _RULES,
)
_RULE_ORDER: Final = ("rule", "message", "fieldPath", "reason")
_NULL: Final = {"type": "null"}


class UnstructuralError(TypeError):
    """The model uses something that a structural schema can't express."""


def structural_schema(model: type[BaseModel], *, with_defaults: bool) -> Schema:
    """Return the schema of ``model``. A status has no defaults, so that the API server adds no field to it.

    Raises UnstructuralError for unions, free-form objects and constraints that the API server would drop.
    """
    schema = model.model_json_schema(by_alias=True)
    return _Converter(schema.pop("$defs", {}), with_defaults).convert(schema)


def in_order(node: Schema) -> Schema:
    """Return the schema with its keys, and those of its rules, in an order that is easy to read."""
    ordered: Schema = {key: node[key] for key in _ORDER if key in node}
    if _RULES in ordered:
        ordered[_RULES] = [{key: rule[key] for key in _RULE_ORDER if key in rule} for rule in ordered[_RULES]]
    return ordered


class _Converter:
    def __init__(self, definitions: Mapping[str, Schema], with_defaults: bool) -> None:
        self._definitions = definitions
        self._with_defaults = with_defaults

    def convert(self, node: Schema, *, in_list: bool = False) -> Schema:
        node = self._resolve(node)
        node.pop("title", None)
        has_default = self._with_defaults and not in_list and node.get("default") is not None
        default = node.pop("default", None)
        if has_default:
            node["default"] = {} if "properties" in node else default
        if "properties" in node:
            node["properties"] = {
                name: self.convert(value, in_list=in_list) for name, value in node["properties"].items()
            }
        if "items" in node:
            node["items"] = self.convert(node["items"], in_list=True)
        if isinstance(node.get("additionalProperties"), dict):
            node["additionalProperties"] = self.convert(node["additionalProperties"], in_list=True)
        if description := _describe(node):
            node["description"] = description
        if unknown := node.keys() - set(_ORDER):
            raise UnstructuralError(f"can't be part of a structural schema: {sorted(unknown)} in {node}")
        return in_order(node)

    def _resolve(self, node: Schema) -> Schema:
        node = dict(node)
        if reference := node.pop("$ref", None):
            return _merge(self._resolve(self._definitions[reference.rpartition("/")[2]]), node)
        if branches := node.pop("anyOf", None):
            branch, *others = [branch for branch in branches if branch != _NULL]
            if others:
                raise UnstructuralError(f"unions can't be part of a structural schema: {branches}")
            return _merge(self._resolve(branch), node)
        return node


def _merge(inner: Schema, outer: Schema) -> Schema:
    """Merge the schema of a type with that of the field that uses it. The field wins; the rules of both apply."""
    merged = inner | outer
    if _RULES in inner and _RULES in outer:
        merged[_RULES] = inner[_RULES] + outer[_RULES]
    return merged


def _describe(node: Schema) -> str:
    sentences = [" ".join(node.pop("description", "").split())]
    if known := node.pop("x-known-values", None):
        sentences.append(f"Known values: {', '.join(known)}.")
    if "default" in node and node["default"] != {}:
        sentences.append(f"Default: {_as_yaml(node['default'])}.")
    if examples := node.pop("examples", None):
        sentences.append(f"Example: {', '.join(map(_as_yaml, examples))}")
    return " ".join(filter(None, sentences))


def _as_yaml(value: object) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, sort_keys=False, width=10_000)
    return text.removesuffix("...\n").strip()
