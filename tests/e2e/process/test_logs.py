"""The logs of all operators of the end-to-end tests, and what they wrote into the cluster. These tests run last."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.environment import WRONG_PASSWORD, Environment, SharedEnvironment
from e2e.parallel import Running, parallel_with_own_operator
from ims_simulator.state.accounts import accounts
from ims_simulator.state.seed import DEFAULT_SEED

_SHOWN = 24
"""A token is long, and its beginning would betray it as well."""


@parallel_with_own_operator
def test_debug_log_shows_calls(env: Environment) -> None:
    env.secret(env.cloud.login() | {"password": WRONG_PASSWORD})
    env.provider()
    operator = env.operator(IMAGECOPY_LOG_LEVEL="debug")
    copy = env.copy("golden")
    copy.until_reason("CredentialsInvalid")
    env.secret(env.cloud.login())
    copy.until_finished("Succeeded", seconds=90)
    assert '"cloud call"' in operator.log.read_text()


@pytest.fixture(scope="module")
def logs(running: Running, evidence: Path) -> list[Path]:
    running.wait_all()
    return sorted(evidence.glob("operator-*.log"))


def _lines(logs: list[Path]) -> Iterator[tuple[str, dict[str, Any]]]:
    for log in logs:
        for line in log.read_text().splitlines():
            if not line.startswith("imagecopy: "):  # an error at the start is plain text
                yield f"{log.name}: {line[:1000]}", json.loads(line)


def _secrets(evidence: Path) -> set[str]:
    passwords = {WRONG_PASSWORD} | {login.password for login in accounts(DEFAULT_SEED).logins}
    tokens: set[str] = set()
    for state in evidence.glob("simulator-*.state"):
        for line in state.read_text().splitlines():
            entry = json.loads(line)
            if entry["t"] == "token":
                tokens.add(entry["v"]["id"][:_SHOWN])
    assert tokens
    return passwords | tokens


def test_no_secret_is_in_a_log_an_event_or_a_status(
    logs: list[Path], shared: SharedEnvironment, evidence: Path
) -> None:
    secrets = _secrets(evidence)
    group = "/apis/imagecopy.io/v1alpha1"
    paths = ("/api/v1/events", f"{group}/imagecopies", f"{group}/imageproviders", f"{group}/clusterimageproviders")
    written = {path: json.dumps(shared.api.get(path)) for path in paths}
    secrets |= {base64.b64encode(secret.encode()).decode().rstrip("=") for secret in secrets}
    secrets.add(shared.api.plane.token)
    for where, text in [*written.items(), *((log.name, log.read_text()) for log in logs)]:
        found = {secret for secret in secrets if secret in text}
        assert not found, where


def test_every_line_is_json_and_names_its_object(logs: list[Path]) -> None:
    for line, fields in _lines(logs):
        assert {"event", "level", "logger", "timestamp"} <= fields.keys(), line
        if fields["logger"] in ("imagecopy.copies.reconciler", "imagecopy.ims"):
            assert {"namespace", "name"} <= fields.keys() or "provider" in fields, line
        if fields["event"] == "the copy call was sent":
            assert {"attempt", "request_id"} <= fields.keys(), line


def test_no_line_tells_of_a_bug(logs: list[Path]) -> None:
    for line, fields in _lines(logs):
        if not fields["logger"].startswith("kopf"):  # kopf logs an outage of the API server as an error
            assert fields["level"] not in ("error", "critical"), line
        assert "Traceback" not in line
        assert "exception" not in fields, line
