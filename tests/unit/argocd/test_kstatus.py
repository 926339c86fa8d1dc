"""The rules of kstatus, one test each. Other tests depend on them."""

from typing import Any

import pytest

from gitops.kstatus import Kstatus, kstatus, wait_is_over


def _object(*conditions: tuple[str, str], observed: int | None = 2, generation: int = 2, **metadata: Any) -> Any:
    status: dict[str, Any] = {"conditions": [{"type": kind, "status": word} for kind, word in conditions]}
    if observed is not None:
        status["observedGeneration"] = observed
    return {"metadata": {"generation": generation, **metadata}, "status": status}


@pytest.mark.parametrize(
    ("obj", "told"),
    [
        ({"metadata": {"generation": 1}}, Kstatus.CURRENT),
        (_object(), Kstatus.CURRENT),
        (_object(observed=-1), Kstatus.IN_PROGRESS),
        (_object(("Ready", "True"), observed=1), Kstatus.IN_PROGRESS),
        (_object(("Ready", "True"), observed=3), Kstatus.IN_PROGRESS),
        (_object(("Ready", "True"), observed=None), Kstatus.CURRENT),
        (_object(("Ready", "True")), Kstatus.CURRENT),
        (_object(("Ready", "False")), Kstatus.IN_PROGRESS),
        (_object(("Ready", "Unknown")), Kstatus.IN_PROGRESS),
        (_object(("Ready", "True"), ("Reconciling", "True")), Kstatus.IN_PROGRESS),
        (_object(("Ready", "True"), ("Reconciling", "False")), Kstatus.CURRENT),
        (_object(("Ready", "False"), ("Stalled", "True")), Kstatus.FAILED),
        (_object(("Stalled", "True"), ("Reconciling", "True")), Kstatus.FAILED),
        (_object(("Reconciling", "True"), ("Stalled", "True")), Kstatus.IN_PROGRESS),
        (_object(("Ready", "True"), deletionTimestamp="now"), Kstatus.TERMINATING),
    ],
)
def test_kstatus(obj: Any, told: Kstatus) -> None:
    assert kstatus(obj) is told


def test_wait_ends_with_the_condition() -> None:
    obj = _object(("Ready", "True"), ("Stalled", "False"))
    assert wait_is_over(obj, "ready")
    assert wait_is_over(obj, "Stalled", "false")
    assert not wait_is_over(obj, "Stalled")
    assert not wait_is_over(obj, "Absent")
    assert not wait_is_over({"metadata": {"generation": 1}}, "Ready")


def test_wait_goes_on_while_the_condition_is_about_an_older_spec() -> None:
    assert not wait_is_over(_object(("Ready", "True"), observed=1), "Ready")
    obj = _object(("Ready", "True"))
    obj["status"]["conditions"][0]["observedGeneration"] = 1
    assert not wait_is_over(obj, "Ready")
