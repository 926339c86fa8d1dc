"""The knobs: IMAGECOPY_* environment variables."""

from ipaddress import ip_network

import pytest

from imagecopy import settings
from imagecopy.api.ambient import Ambient, AmbientCredentials
from imagecopy.ims import DEFAULT_ALLOWLIST
from imagecopy.settings import LogFormat, LogLevel

NAMES = {f"IMAGECOPY_{name.upper()}" for name in settings.Settings.model_fields}


@pytest.fixture(autouse=True)
def no_knobs(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in [name for name in os.environ if name.upper().startswith("IMAGECOPY_")]:
        monkeypatch.delenv(name)


def test_the_defaults_are_as_designed() -> None:
    assert settings.load().model_dump() == {
        "namespaces": (),
        "installation_id": None,
        "log_format": LogFormat.JSON,
        "log_level": LogLevel.INFO,
        "health_port": 8080,
        "metrics_port": 9090,
        "min_poll_seconds": 2,
        "max_poll_seconds": 120,
        "settle_seconds": 300,
        "calls_per_second": 10,
        "sweep_seconds": 900,
        "provider_check_seconds": 300,
        "endpoint_allowlist": DEFAULT_ALLOWLIST,
        "cluster_networks": (),
        "ambient_credentials": AmbientCredentials.CLUSTER_IMAGE_PROVIDERS,
        "identity_token_file": "/var/run/secrets/imagecopy.io/identity/token",
        "metadata_endpoint": "http://169.254.169.254",
    }


GOOD = [
    ("NAMESPACES", "a, b-1 ,c", ("a", "b-1", "c")),
    ("NAMESPACES", "a", ("a",)),
    ("INSTALLATION_ID", "prod.eu-1_x", "prod.eu-1_x"),
    ("LOG_FORMAT", "Console ", LogFormat.CONSOLE),
    ("LOG_LEVEL", "DEBUG", LogLevel.DEBUG),
    ("HEALTH_PORT", "0", 0),
    ("METRICS_PORT", "65535", 65535),
    ("MIN_POLL_SECONDS", "0.1", 0.1),
    ("MAX_POLL_SECONDS", "3600", 3600),
    ("SETTLE_SECONDS", "1", 1),
    ("SWEEP_SECONDS", "0", 0),
    ("PROVIDER_CHECK_SECONDS", "0", 0),
    ("CALLS_PER_SECOND", "0.1", 0.1),
    ("ENDPOINT_ALLOWLIST", "127.0.0.1:8774,*.example.com", "127.0.0.1:8774,*.example.com"),
    ("CLUSTER_NETWORKS", "10.244.0.0/16, fd00::/8,", (ip_network("10.244.0.0/16"), ip_network("fd00::/8"))),
    ("CLUSTER_NETWORKS", "10.0.0.1", (ip_network("10.0.0.1/32"),)),
    ("AMBIENT_CREDENTIALS", "None", AmbientCredentials.NONE),
    ("AMBIENT_CREDENTIALS", " all", AmbientCredentials.ALL),
    ("AMBIENT_CREDENTIALS", "clusterImageProviders", AmbientCredentials.CLUSTER_IMAGE_PROVIDERS),
    ("IDENTITY_TOKEN_FILE", "/run/token", "/run/token"),
    ("METADATA_ENDPOINT", "http://127.0.0.1:8180", "http://127.0.0.1:8180"),
    ("METADATA_ENDPOINT", "http://[fd00:ec2::254]/", "http://[fd00:ec2::254]"),
]
BAD = [
    ("NAMESPACES", "Bad_Name", "give names, separated by commas"),
    ("NAMESPACES", "a,*", "'*' is not a namespace name"),
    ("NAMESPACES", "x" * 64, "is not a namespace name"),
    ("NAMESPACES", " , ", "names no namespace"),
    ("INSTALLATION_ID", "two words", "^[A-Za-z0-9._-]+$"),
    ("INSTALLATION_ID", "x" * 254, "at most 253"),
    ("LOG_FORMAT", "xml", "'json' or 'console'"),
    ("LOG_LEVEL", "loud", "'debug', 'info', 'warning' or 'error'"),
    ("HEALTH_PORT", "eighty", "valid integer"),
    ("HEALTH_PORT", "-1", "greater than or equal to 0"),
    ("METRICS_PORT", "65536", "less than or equal to 65535"),
    ("MIN_POLL_SECONDS", "0", "greater than or equal to 0.1"),
    ("MIN_POLL_SECONDS", "nan", ""),
    ("MIN_POLL_SECONDS", "2s", "valid number"),
    ("MAX_POLL_SECONDS", "3601", "less than or equal to 3600"),
    ("MAX_POLL_SECONDS", "inf", "less than or equal to 3600"),
    ("SETTLE_SECONDS", "0", "greater than or equal to 1"),
    ("SETTLE_SECONDS", "86401", "less than or equal to 86400"),
    ("SWEEP_SECONDS", "-1", "greater than or equal to 0"),
    ("SWEEP_SECONDS", "1d", "valid number"),
    ("PROVIDER_CHECK_SECONDS", "-1", "greater than or equal to 0"),
    ("PROVIDER_CHECK_SECONDS", "5m", "valid number"),
    ("CALLS_PER_SECOND", "0", "greater than or equal to 0.1"),
    ("CALLS_PER_SECOND", "1001", "less than or equal to 1000"),
    ("ENDPOINT_ALLOWLIST", "https://ims.example.com/x", ""),
    ("ENDPOINT_ALLOWLIST", "*", ""),
    ("CLUSTER_NETWORKS", "10.0.0.0/8;10.1.0.0/16", "write CIDRs such as 10.244.0.0/16"),
    ("CLUSTER_NETWORKS", "10.0.0.0/33", "'10.0.0.0/33': is no network"),
    ("CLUSTER_NETWORKS", "10.244.1.0/16", "write 10.244.0.0/16"),
    ("AMBIENT_CREDENTIALS", "yes", "'None', 'ClusterImageProviders' or 'All'"),
    ("IDENTITY_TOKEN_FILE", "token", "absolute path"),
    ("METADATA_ENDPOINT", "169.254.169.254", "scheme, host and port only"),
    ("METADATA_ENDPOINT", "http://169.254.169.254/openstack", "scheme, host and port only"),
]


def test_each_variable_is_tried_with_good_and_bad_values() -> None:
    assert {f"IMAGECOPY_{name}" for name, _, _ in GOOD} == NAMES
    assert {f"IMAGECOPY_{name}" for name, _, _ in BAD} == NAMES


@pytest.mark.parametrize(("name", "value", "read"), GOOD)
def test_a_good_value_is_read(monkeypatch: pytest.MonkeyPatch, name: str, value: str, read: object) -> None:
    monkeypatch.setenv(f"IMAGECOPY_{name}", value)
    assert getattr(settings.load(), name.lower()) == read


@pytest.mark.parametrize(("name", "value", "words"), BAD)
def test_a_bad_value_names_the_variable_and_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    monkeypatch.setenv(f"IMAGECOPY_{name}", value)
    with pytest.raises(settings.BadSettings) as caught:
        settings.load()
    told = str(caught.value)
    assert told.startswith(f"IMAGECOPY_{name}={value!r}: ")
    assert words in told
    assert len(told.splitlines()) == 1


def test_the_operators_own_identity_is_as_set(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings.load().ambient == Ambient()
    monkeypatch.setenv("IMAGECOPY_AMBIENT_CREDENTIALS", "All")
    monkeypatch.setenv("IMAGECOPY_IDENTITY_TOKEN_FILE", "/t")
    monkeypatch.setenv("IMAGECOPY_METADATA_ENDPOINT", "http://127.0.0.1:1")
    expected = Ambient(allowed=AmbientCredentials.ALL, identity_token_file="/t", metadata_endpoint="http://127.0.0.1:1")
    assert settings.load().ambient == expected


def test_all_bad_values_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGECOPY_LOG_FORMAT", "xml")
    monkeypatch.setenv("IMAGECOPY_HEALTH_PORT", "x")
    with pytest.raises(settings.BadSettings, match=r"(?s)IMAGECOPY_LOG_FORMAT.*\n.*IMAGECOPY_HEALTH_PORT"):
        settings.load()


def test_the_shortest_pause_may_not_exceed_the_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGECOPY_MIN_POLL_SECONDS", "200")
    with pytest.raises(settings.BadSettings) as caught:
        settings.load()
    assert str(caught.value) == "IMAGECOPY_MIN_POLL_SECONDS (200) must not exceed IMAGECOPY_MAX_POLL_SECONDS (120)"


@pytest.mark.parametrize("name", sorted(NAMES))
def test_an_empty_value_is_none(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    default = settings.load()
    monkeypatch.setenv(name, "")
    assert settings.load() == default


def test_a_variable_that_is_no_knob_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings.unknown_variables() == []
    monkeypatch.setenv("IMAGECOPY_LOG_LEVEL", "debug")
    monkeypatch.setenv("IMAGECOPY_LOGLEVEL", "debug")
    monkeypatch.setenv("IMAGECOPY_ZZZ", "")
    assert settings.unknown_variables() == ["IMAGECOPY_LOGLEVEL", "IMAGECOPY_ZZZ"]


def test_each_knob_is_described_with_its_default() -> None:
    told = settings.describe()
    parts = {part.split()[0]: part for part in told.split("\n\n")}
    assert set(parts) == NAMES
    assert "[default: json]" in parts["IMAGECOPY_LOG_FORMAT"]
    assert "[default: 8080]" in parts["IMAGECOPY_HEALTH_PORT"]
    for name, part in parts.items():
        assert len(part.splitlines()) == 2, name
    for name in ("IMAGECOPY_MIN_POLL_SECONDS", "IMAGECOPY_MAX_POLL_SECONDS"):
        assert "in seconds" in parts[name]
