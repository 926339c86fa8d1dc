"""Alerts and dashboard use metrics that exist, and each alert is documented."""

import json
import re
from typing import Any, Final

import pytest
import yaml
from prometheus_client import REGISTRY, CollectorRegistry

from imagecopy import metrics
from imagecopy.copies.queue import Slots
from imagecopy.watch.liveness import Liveness
from rendering import chart
from rendering.chart import CHART, ROOT, of_kind
from unit.deploy.conftest import Render

_ALERTS: Final[list[dict[str, Any]]] = yaml.safe_load((CHART / "files/alerts.yaml").read_text())["alerts"]


def _known() -> set[str]:
    """Return the names under which the operator's metrics are stored."""
    registry = CollectorRegistry()
    registry.register(metrics.State(liveness=Liveness(), phases=dict, slots=Slots()))
    suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
    return {
        family.name + suffix
        for source in (REGISTRY, registry)
        for family in source.collect()
        if family.name.startswith("imagecopy_")
        for suffix in suffixes[family.type]
    }


def _expressions() -> list[str]:
    dashboard = json.loads((CHART / "files/dashboard.json").read_text())
    targets = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    variables = [str(variable["query"]) for variable in dashboard["templating"]["list"]]
    return [alert["expr"] for alert in _ALERTS] + targets + variables


def test_metrics_that_are_asked_for_exist() -> None:
    asked = {name for expression in _expressions() for name in re.findall(r"\bimagecopy_\w+", expression)}
    assert len(asked) > 5
    assert asked - _known() == set()


def test_reasons_that_alerts_look_for_are_told_by_the_operator() -> None:
    code = "".join(path.read_text() for path in (ROOT / "operator/imagecopy").rglob("*.py"))
    reasons = {
        reason
        for alert in _ALERTS
        for match in re.findall(r'reason=~?"([^"]+)"', alert["expr"])
        for reason in match.split("|")
    }
    assert reasons
    assert [reason for reason in reasons if f'"{reason}"' not in code] == []


@pytest.mark.parametrize("alert", [alert["alert"] for alert in _ALERTS])
def test_alert_is_documented(alert: str) -> None:
    assert f"### {alert}\n" in (ROOT / "docs/operations.md").read_text()


def test_rule_has_each_alert_but_those_left_out(rendered: Render) -> None:
    def alerts(name: str) -> list[dict[str, Any]]:
        (rule,) = of_kind(rendered(name), "PrometheusRule")
        found: list[dict[str, Any]] = rule["spec"]["groups"][0]["rules"]
        return found

    assert [alert["alert"] for alert in alerts("monitoring")] == [alert["alert"] for alert in _ALERTS]
    assert "ImageCopyQueueStuck" not in [alert["alert"] for alert in alerts("everything")]
    for alert in alerts("everything"):
        assert alert["labels"]["team"] == "platform"
        assert alert["labels"]["severity"] in {"warning", "critical"}
        assert alert.keys() <= {"alert", "annotations", "expr", "for", "labels"}
        assert "$NAMESPACE" not in json.dumps(alert)


def test_monitors_scrape_a_port_that_there_is(rendered: Render) -> None:
    objects = rendered("everything")
    (pods,), (services,) = of_kind(objects, "PodMonitor"), of_kind(objects, "ServiceMonitor")
    assert pods["spec"]["podMetricsEndpoints"][0]["port"] == "metrics"
    assert services["spec"]["endpoints"][0]["port"] == "metrics"
    deployment = next(found for found in of_kind(objects, "Deployment") if found["metadata"]["name"] == "copier")
    service = next(found for found in of_kind(objects, "Service") if found["metadata"]["name"] == "copier")
    assert (
        pods["spec"]["selector"]["matchLabels"].items() <= deployment["spec"]["template"]["metadata"]["labels"].items()
    )
    assert services["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()


def test_dashboard_is_json_in_a_config_map(rendered: Render) -> None:
    (dashboard,) = of_kind(rendered("monitoring"), "ConfigMap")
    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(dashboard["data"]["imagecopy.json"]) == json.loads((CHART / "files/dashboard.json").read_text())


def test_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads((CHART / "files/dashboard.json").read_text())["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells


def test_default_does_not_depend_on_what_the_cluster_has() -> None:
    assert chart.render() == chart.render(None, "--api-versions", "monitoring.coreos.com/v1")
