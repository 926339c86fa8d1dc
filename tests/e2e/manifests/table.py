"""Reads the tables of manifests beside this file; their first lines say what they hold."""

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

Manifest = dict[str, Any]

_FOLDER: Final = Path(__file__).parent
_REMOVE: Final = "$remove"
_REPEATED: Final = re.compile(r"\$\{(.)\*(\d+)\}")


@dataclass(frozen=True)
class Case:
    """A manifest, and what the API server must make of it."""

    name: str
    manifest: Manifest
    stored: Manifest = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    """Important part of the message by field; empty: accepted."""

    @property
    def kind(self) -> str:
        return str(self.manifest["kind"])

    def __str__(self) -> str:
        return f"{self.kind}-{self.name}"


@dataclass(frozen=True)
class Update:
    """A manifest, a merge patch to it, and what the API server must say to the patch."""

    name: str
    before: Manifest
    patch: Manifest
    refused: Mapping[str, str]

    def __str__(self) -> str:
        return f"{self.before['kind']}-{self.name}"


def accepted() -> list[Case]:
    """Return the good manifests."""
    return [case for table in ("imagecopies", "imageproviders") for case in _cases(table, "accepted")]


def refused() -> list[Case]:
    """Return the bad manifests."""
    return [case for table in ("imagecopies", "imageproviders") for case in _cases(table, "refused")]


def updates() -> list[Update]:
    """Return the changes, good and bad."""
    bases = {"ImageCopy": _load("imagecopies")["base"], "ImageProvider": _load("imageproviders")["base"]}
    return [
        Update(name, _merge(bases[kind], entry.get("before", {})), entry["patch"], entry.get("refused", {}))
        for kind, entries in _load("updates").items()
        for name, entry in entries.items()
    ]


def base(kind: str) -> Manifest:
    """Return the smallest good manifest of a kind."""
    return next(case.manifest for case in accepted() if case.kind == kind)


def _cases(table: str, section: str) -> Iterator[Case]:
    content = _load(table)
    for name, entry in content[section].items():
        manifest = _merge(content["base"], entry["patch"])
        yield Case(name, manifest, entry.get("stored", {}), entry.get("refused", {}))


@functools.cache
def _load(table: str) -> Manifest:
    content = yaml.safe_load((_FOLDER / f"{table}.yaml").read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return {key: _expand(value) for key, value in content.items()}


def _expand(value: Any) -> Any:
    match value:
        case dict():
            return {_expand(key): _expand(entry) for key, entry in value.items()}
        case list():
            return [_expand(entry) for entry in value]
        case str():
            return _REPEATED.sub(lambda found: found[1] * int(found[2]), value)
        case _:
            return value


def _merge(old: Any, new: Any) -> Any:
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    merged = old | {key: _merge(old.get(key), value) for key, value in new.items()}
    return {key: value for key, value in merged.items() if value != _REMOVE}
