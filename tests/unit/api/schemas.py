"""The generated CRD schemas, as a flat list of places for the tests of this folder."""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from imagecopy.api.crd import crds

Schema = dict[str, Any]


@functools.cache
def schemas() -> dict[str, Schema]:
    """Return the schema of each kind."""
    return {
        definition["spec"]["names"]["kind"]: definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        for definition in crds().values()
    }


@dataclass(frozen=True)
class Node:
    """A place in a schema, such as ``ImageCopy.status.attempts[].number``; ``<>`` is any key of a map."""

    path: str
    schema: Schema

    @property
    def type(self) -> str:
        return str(self.schema["type"])

    @property
    def is_field(self) -> bool:
        return not self.path.endswith(("[]", "<>"))

    @property
    def is_map(self) -> bool:
        return "additionalProperties" in self.schema

    def __str__(self) -> str:
        return self.path


def nodes(*, below: tuple[str, ...] = ("spec", "status")) -> list[Node]:
    """Return all places in all schemas at and below spec and status."""
    return [
        node
        for kind, schema in schemas().items()
        for part in below
        if part in schema["properties"]
        for node in _walk(f"{kind}.{part}", schema["properties"][part])
    ]


def _walk(path: str, schema: Schema) -> Iterator[Node]:
    yield Node(path, schema)
    for name, field in schema.get("properties", {}).items():
        yield from _walk(f"{path}.{name}", field)
    if "items" in schema:
        yield from _walk(f"{path}[]", schema["items"])
    if "additionalProperties" in schema:
        yield from _walk(f"{path}<>", schema["additionalProperties"])
