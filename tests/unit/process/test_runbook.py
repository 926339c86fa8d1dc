"""docs/operations.md says what to do about every alert and about every reason that calls for it."""

import re
from pathlib import Path

import pytest

from imagecopy.api.conditions import Reason

REPO = Path(__file__).parents[3]
PAGE = (REPO / "docs" / "operations.md").read_text()
ALERTS = sorted((REPO / "deploy" / "helm").glob("*/files/alerts.yaml"))
HARMLESS = {"Copying", "Succeeded", "Adopted", "Suspended", "Deleting"}
TOLD_BY_ITS_ALERT = {"SecondImage"}


@pytest.mark.skipif(not (REPO / "deploy" / "helm").exists(), reason="there is no chart yet")
def test_every_alert_of_the_chart_has_a_section_and_no_other() -> None:
    assert ALERTS
    alerts = {name for path in ALERTS for name in re.findall(r"- alert: (\w+)", path.read_text())}
    assert set(re.findall(r"^### (\w+)$", PAGE, re.MULTILINE)) == alerts


def test_every_reason_that_calls_for_somebody_has_a_row() -> None:
    table = PAGE.partition("## Reasons")[2].partition("\n## ")[0]
    rows = "\n".join(line.split("|")[1] for line in table.splitlines() if line.startswith("| `"))
    missing = {reason.value for reason in Reason} - set(re.findall(r"`(\w+)`", rows))
    assert missing - HARMLESS - TOLD_BY_ITS_ALERT == set()


def test_metrics_in_questions_and_runbook_exist() -> None:
    rows = set(re.findall(r"^\| `(imagecopy_\w+)`", PAGE, re.MULTILINE))
    used = set(re.findall(r"\bimagecopy_\w+", PAGE))
    assert {re.sub(r"_(bucket|count|sum)$", "", name) for name in used} <= rows
