"""Generates the table of values in the chart's README from the comments in values.yaml.

A comment directly above a key says what the value means. A comment that begins with `-- ` begins a section.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import yaml

from rendering.chart import CHART

README: Final = CHART / "README.md"
VALUES: Final = CHART / "values.yaml"

_BEGIN: Final = "<!-- generated from values.yaml by make manifests -->\n"
_END: Final = "<!-- end of what is generated -->\n"


@dataclass(frozen=True)
class Value:
    """One value: its path, its default as YAML, its comment and its section."""

    path: str
    default: str
    meaning: str
    section: str


def values() -> Iterator[Value]:
    """Yield the values in the order of the file."""
    lines = VALUES.read_text().splitlines()
    root = yaml.compose("\n".join(lines), yaml.SafeLoader)
    assert isinstance(root, yaml.MappingNode)
    yield from _walk(root, "", lines)


def generated() -> dict[str, str]:
    """Return the README with a new table, by its path below the chart."""
    head, _, rest = README.read_text().partition(_BEGIN)
    tail = rest.partition(_END)[2]
    return {README.name: f"{head}{_BEGIN}{_table()}\n{_END}{tail}"}


def _walk(node: yaml.MappingNode, prefix: str, lines: list[str]) -> Iterator[Value]:
    for key, value in node.value:
        path = f"{prefix}{key.value}"
        meaning = _comment_above(key.start_mark.line, lines)
        if isinstance(value, yaml.MappingNode) and value.value and not meaning:
            yield from _walk(value, f"{path}.", lines)
        else:
            yield Value(path, _flow(value), meaning, _section_of(key.start_mark.line, lines))


def _comment_above(line: int, lines: list[str]) -> str:
    found: list[str] = []
    while line and (comment := re.fullmatch(r"\s*# (?!-- )(.*)", lines[line - 1])):
        found.insert(0, comment[1])
        line -= 1
    return " ".join(found)


def _section_of(line: int, lines: list[str]) -> str:
    return next((lines[at].removeprefix("# -- ") for at in range(line, -1, -1) if lines[at].startswith("# -- ")), "")


def _flow(node: yaml.Node) -> str:
    value = yaml.safe_load(yaml.serialize(node))
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000, sort_keys=False).removesuffix("\n...\n")
    return text.strip()


def _table() -> str:
    rows: list[str] = []
    section = None
    for value in values():
        if value.section != section:
            section = value.section
            rows += ["", f"### {section}", "", "| value | default | meaning |", "|---|---|---|"]
        default = f"`{value.default}`".replace("|", "\\|")
        rows.append(f"| `{value.path}` | {default} | {value.meaning.replace('|', chr(92) + '|')} |")
    return "\n".join(rows) + "\n"
