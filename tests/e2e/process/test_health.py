"""Probes and metrics of an operator on a real API server, whose bookmarks the probes depend on."""

from prometheus_client.parser import text_string_to_metric_families

from e2e.environment import Environment
from e2e.parallel import parallel_with_own_operator
from support.processes import Operator
from support.waiting import wait_for

_BOOKMARK_SECONDS = 150.0
"""The API server sends one about every minute."""


def _value(operator: Operator, name: str, **labels: str) -> float:
    """Return the sum of all samples of this name that have these labels."""
    status, text = operator.ask("/metrics")
    assert status == 200
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return sum(s.value for s in samples if s.name == f"imagecopy_{name}" and labels.items() <= s.labels.items())


def _watch_age(operator: Operator) -> float:
    return _value(operator, "watch_age_seconds")


def _asked(operator: Operator) -> float:
    return sum(_value(operator, "kubernetes_calls_total", verb=verb) for verb in ("list", "watch"))


@parallel_with_own_operator
def test_a_bookmark_alone_is_a_sign_of_life(env: Environment) -> None:
    operator = env.operator()
    assert operator.ask("/healthz") == (200, "ok\n")
    assert operator.ask("/readyz") == (200, "ok\n")
    asked = _asked(operator)
    wait_for(lambda: _watch_age(operator) > 20, "a silent watch", _BOOKMARK_SECONDS)
    wait_for(lambda: _watch_age(operator) < 10, "a bookmark", _BOOKMARK_SECONDS)
    assert _asked(operator) == asked, "nothing was listed or watched anew"
    assert operator.ask("/healthz") == (200, "ok\n")


@parallel_with_own_operator
def test_the_metrics_tell_of_a_copy(env: Environment) -> None:
    operator = env.operator(IMAGECOPY_SWEEP_SECONDS="1")
    project = env.cloud.config["project_id"]
    env.cloud.knobs(copy_seconds=8)
    env.connect()
    copy = env.copy("reported")
    copy.until(lambda state: state.status.get("jobID"), "job id")
    wait_for(lambda: _value(operator, "copies", phase="Copying") == 1, "a running copy in the metrics")
    assert _value(operator, "slots_used", project=project) == 1
    assert _value(operator, "slots_limit", project=project) == 5
    copy.until_finished("Succeeded")
    wait_for(lambda: _value(operator, "copies", phase="Succeeded") == 1, "a finished copy in the metrics")
    assert _value(operator, "slots_used", project=project) == 0
    assert _value(operator, "copy_seconds_count", outcome="Succeeded") == 1
    assert _value(operator, "copy_seconds_sum", outcome="Succeeded") >= 8
    assert _value(operator, "detection_seconds_count") == 1
    assert _value(operator, "kubernetes_calls_total", verb="patch", code="200") >= 3
    assert _value(operator, "build_info") == 1
    env.api.delete(copy.path)
    copy.wait_gone()
    wait_for(lambda: _value(operator, "copies") == 0, "no copy in the metrics")
