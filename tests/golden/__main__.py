"""`python -m golden` (make golden): record all scenarios again."""

from __future__ import annotations

import asyncio
import contextlib
import io

from golden.record import path_of
from golden.scenarios import SCENARIOS, record_scenario


def main() -> None:
    """Write the log of each scenario, remove logs without a scenario, and print which ones changed."""
    wanted = {path_of(name): name for name in SCENARIOS}
    for path in sorted(path_of("x").parent.glob("*.txt")):
        if path not in wanted:
            path.unlink()
            print(f"removed   {path.name}")
    for path, name in wanted.items():
        with contextlib.redirect_stdout(io.StringIO()):  # the operator's log
            text = asyncio.run(record_scenario(name))
        before = path.read_text("utf-8") if path.exists() else None
        if text != before:
            path.write_text(text, "utf-8")
        print(f"{'new' if before is None else 'same' if text == before else 'changed':<10}{path.name}")


if __name__ == "__main__":
    main()
