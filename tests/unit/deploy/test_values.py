"""values.yaml agrees with its schema, its README and the operator's settings."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
import yaml

from imagecopy.settings import Settings
from rendering import chart, readme
from rendering.chart import CHART, ChartError, of_kind

_SCHEMA: Final[dict[str, Any]] = json.loads((CHART / "values.schema.json").read_text())
_VALUES: Final[dict[str, Any]] = yaml.safe_load((CHART / "values.yaml").read_text())
_DEFAULTS_OF_SETTINGS: Final = {
    "logFormat": "log_format",
    "logLevel": "log_level",
    "callsPerSecond": "calls_per_second",
    "minPollSeconds": "min_poll_seconds",
    "maxPollSeconds": "max_poll_seconds",
    "settleSeconds": "settle_seconds",
    "sweepSeconds": "sweep_seconds",
}


def _objects(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if "properties" in schema:
        yield path, schema
        for key, value in schema["properties"].items():
            yield from _objects(value, f"{path}.{key}".lstrip("."))


def _at(path: str) -> Any:
    found = _VALUES
    for key in path.split(".") if path else ():
        found = found[key]
    return found


def test_schema_and_values_have_the_same_keys() -> None:
    for path, schema in _objects(_SCHEMA):
        assert schema["properties"].keys() == _at(path).keys(), path or "top level"


def test_unknown_keys_are_refused_at_every_level_but_global() -> None:
    open_ = [path for path, schema in _objects(_SCHEMA) if schema.get("additionalProperties") is not False]
    assert open_ == ["global"]


@pytest.mark.parametrize(
    "setting",
    [
        "watchNamespace=team-a",
        "settings.installationId=x",
        "monitoring.podMonitor.enable=true",
        "settings.logLevel=trace",
        "settings.settleSeconds=soon",
        "image.digest=latest",
        "terminationGracePeriodSeconds=10",
        "settings.endpointAllowlist={https://ims.example.com}",
        "settings.clusterNetworks={10.0.0.0}",
        "watchNamespaces={Team A}",
    ],
)
def test_slip_is_refused_and_named(setting: str) -> None:
    with pytest.raises(ChartError) as refused:
        chart.render(None, "--set", setting)
    assert re.split(r"[.=]", setting)[-2] in str(refused.value)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("watchNamespaces={a},rbac.clusterScoped=false", "set settings.installationID"),
        ("identityToken.enabled=true", "identityToken.audience"),
        ("clusterImageProvider.create=true", "clusterImageProvider.spec"),
        ("simulator.enabled=true,clusterImageProvider.create=true,clusterImageProvider.spec.region=x", "another name"),
        ("ports.health=9090", "must differ"),
    ],
)
def test_values_that_do_not_go_together_are_refused_with_what_to_do(settings: str, words: str) -> None:
    with pytest.raises(ChartError, match=re.escape(words)):
        chart.render(None, "--set", settings)


def test_values_of_parent_charts_are_allowed_under_global() -> None:
    assert chart.render(None, "--set", "global.storageClass=fast")


def test_readme_is_current() -> None:
    assert readme.generated()["README.md"] == readme.README.read_text(), "run `make manifests`"


def test_each_value_has_a_meaning_and_a_section() -> None:
    values = list(readme.values())
    assert [value.path for value in values if not value.meaning or not value.section] == []
    assert len(values) > 100


@pytest.mark.parametrize(("value", "setting"), _DEFAULTS_OF_SETTINGS.items())
def test_default_in_brackets_is_that_of_the_operator(value: str, setting: str) -> None:
    default = Settings.model_fields[setting].default
    meaning = next(found.meaning for found in readme.values() if found.path == f"settings.{value}")
    words = re.search(r"\[(.*)\]\.", meaning)
    assert words
    assert words[1] == (f"{default:g}" if isinstance(default, float) else str(default))


def test_each_setting_of_the_operator_can_be_set() -> None:
    # What the operator gets in other ways than by a value of its own.
    by_template = {"health_port", "metrics_port", "namespaces", "identity_token_file"}
    only_by_extra_env = {"metadata_endpoint"}
    templates = "".join(path.read_text() for path in (CHART / "templates").iterdir() if path.is_file())
    settable = {name.lower() for name in re.findall(r"IMAGECOPY_([A-Z_]+)", templates)}
    assert Settings.model_fields.keys() - settable - only_by_extra_env == set()
    assert by_template <= settable


def test_everything_reaches_the_operator() -> None:
    (deployment,) = [
        found
        for found in of_kind(chart.render(chart.value_sets()["everything"]), "Deployment")
        if found["metadata"]["name"] == "copier"
    ]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    environment = {entry["name"]: entry.get("value") for entry in container["env"]}
    simulator = "copier-simulator.imagecopy-system.svc:8180"
    assert environment == {
        "IMAGECOPY_HEALTH_PORT": "8080",
        "IMAGECOPY_METRICS_PORT": "9090",
        "IMAGECOPY_INSTALLATION_ID": "production",
        "IMAGECOPY_LOG_FORMAT": "console",
        "IMAGECOPY_LOG_LEVEL": "debug",
        "IMAGECOPY_ENDPOINT_ALLOWLIST": f"*.otc.t-systems.com,ims.example.com:8443,{simulator}",
        "IMAGECOPY_CLUSTER_NETWORKS": "10.0.0.0/8,fd00::/8",
        "IMAGECOPY_AMBIENT_CREDENTIALS": "All",
        "IMAGECOPY_CALLS_PER_SECOND": "5",
        "IMAGECOPY_MIN_POLL_SECONDS": "0.5",
        "IMAGECOPY_MAX_POLL_SECONDS": "60",
        "IMAGECOPY_SETTLE_SECONDS": "600",
        "IMAGECOPY_SWEEP_SECONDS": "0",
        "IMAGECOPY_PROVIDER_CHECK_SECONDS": "600",
        "IMAGECOPY_IDENTITY_TOKEN_FILE": "/var/run/secrets/imagecopy.io/identity/token",
        "HTTP_PROXY": "http://proxy.example.com:3128",
        "HTTPS_PROXY": "http://proxy.example.com:3128",
        "NO_PROXY": ".svc,.cluster.local,169.254.169.254,.example.com",
        "TZ": "UTC",
        "NODE": None,
    }
    spec = deployment["spec"]["template"]["spec"]
    assert spec["imagePullSecrets"] == [{"name": "registry"}, {"name": "mirror"}]
    assert container["image"] == f"registry.example.com/imagecopy/imagecopy-operator@sha256:{'0' * 64}"
    (token,) = [volume for volume in spec["volumes"] if volume["name"] == "identity-token"]
    assert token["projected"]["sources"] == [
        {"serviceAccountToken": {"path": "token", "audience": "imagecopy", "expirationSeconds": 3600}}
    ]
    for key in ("priorityClassName", "runtimeClassName", "schedulerName", "nodeSelector", "tolerations", "affinity"):
        assert spec[key]
    for key in ("topologySpreadConstraints", "hostAliases", "dnsPolicy", "dnsConfig"):
        assert spec[key]


def test_big_and_broken_numbers_are_written_as_people_do() -> None:
    (deployment,) = of_kind(
        chart.render(None, "--set-json", '{"settings":{"settleSeconds":86400,"sweepSeconds":0.25}}'), "Deployment"
    )
    values = {
        entry["name"]: entry.get("value") for entry in deployment["spec"]["template"]["spec"]["containers"][0]["env"]
    }
    assert (values["IMAGECOPY_SETTLE_SECONDS"], values["IMAGECOPY_SWEEP_SECONDS"]) == ("86400", "0.25")
