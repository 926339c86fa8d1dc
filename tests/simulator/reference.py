"""Writes the generated lists of docs/simulator.md; `make golden` runs it."""

from __future__ import annotations

from pathlib import Path

from ims_simulator.settings import editions, knobs

PAGE = Path(__file__).parents[2] / "docs" / "simulator.md"


def knob_table() -> str:
    """A table of all knobs with their defaults and descriptions."""
    rows = ["| knob | default | meaning |", "|---|---|---|"]
    for name_and_default, meaning in knobs.help_lines():
        name, _, default = name_and_default.partition("=")
        rows.append(f"| `{name}` | {_code(default)} | {_cell(meaning)} |")
    return "\n".join(rows)


def edition_table() -> str:
    """A table of the knobs that each edition sets, with the source of each value."""
    rows = ["| edition | knob | value | from |", "|---|---|---|---|"]
    for name, edition in editions.EDITIONS.items():
        for knob, difference in edition.differences.items():
            value = knobs.shown(difference.value)
            rows.append(f"| `{name}` ({edition.cloud}) | `{knob}` | {_code(value)} | {_cell(difference.source)} |")
    return "\n".join(rows)


def _code(text: str) -> str:
    return f"`{text}`" if text else "none"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "\\<")


def generated(page: str) -> str:
    """The page with current lists."""
    for name, table in (("knobs", knob_table()), ("editions", edition_table())):
        before, begin, rest = page.partition(f"<!-- generated: {name} -->\n")
        _, end, after = rest.partition("<!-- end -->")
        if not end:
            raise ValueError(f"the page has no place for {name}")
        page = f"{before}{begin}{table}\n{end}{after}"
    return page


def main() -> None:
    """Write the page if its lists differ."""
    before = PAGE.read_text("utf-8")
    after = generated(before)
    if after != before:
        PAGE.write_text(after, "utf-8")
    print(f"{'same' if after == before else 'changed':<10}{PAGE.name}")


if __name__ == "__main__":
    main()
