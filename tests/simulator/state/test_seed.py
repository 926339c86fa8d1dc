"""With a seed, the same calls in the same order get the same replies, byte for byte, in any process."""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ims_simulator.state.cloud import Cloud
from ims_simulator.state.ids import Ids
from simulator.harness import FakeClock
from simulator.process import running

FROZEN = ("--frozen-at", "2026-09-01T12:00:00Z", "--copy-seconds", "600")


class _Exchanges:
    """Sends requests and keeps the replies byte for byte, except for the port of the endpoints."""

    def __init__(self, url: str) -> None:
        self._address = urlsplit(url).netloc
        self.replies: list[tuple[int, list[tuple[str, str]], str]] = []

    def send(self, method: str, path: str, body: object = None, token: str = "") -> Any:
        connection = http.client.HTTPConnection(self._address, timeout=60)
        headers = {"X-Auth-Token": token, "Content-Type": "application/json"}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        text = response.read().decode().replace(self._address, "simulator")
        headers_got = [(name, value) for name, value in response.getheaders() if name != "Content-Length"]
        connection.close()
        self.replies.append((response.status, headers_got, text))
        return json.loads(text) if text else None


def _replies(*options: str) -> list[tuple[int, list[tuple[str, str]], str]]:
    with running(*options) as process:
        log = _Exchanges(process.url)
        config = log.send("GET", "/_simulator/config")
        login = config["logins"][0]
        user = {"name": login["user"], "password": login["password"], "domain": {"name": login["domain"]}}
        scope = {"project": {"id": config["project_id"]}}
        identity = {"methods": ["password"], "password": {"user": user}}
        log.send("POST", "/v3/auth/tokens", {"auth": {"identity": identity, "scope": scope}})
        token = dict(log.replies[-1][1])["X-Subject-Token"]
        source = config["source_images"][0]["id"]
        log.send("POST", "/_simulator/images", {"name": "added"})
        log.send("POST", "/_simulator/faults", {"skip": 1, "job": {"fail": True}})
        jobs = [
            log.send("POST", f"/v1/cloudimages/{source}/copy", {"name": f"copy-{number}"}, token)["job_id"]
            for number in range(3)
        ]
        for _ in range(3):
            for job in jobs:
                log.send("GET", f"/v1/{config['project_id']}/jobs/{job}", token=token)
                log.send("GET", f"/v1/cloudimages/job/{job}", token=token)
            log.send("GET", "/v2/cloudimages?__imagetype=private", token=token)
            log.send("POST", "/_simulator/clock", {"advance_seconds": 301})
        log.send("GET", "/v2/images/nothing", token=token)
        log.send("GET", "/v2/cloudimages")
        for path in ("calls", "images", "jobs", "clock"):
            log.send("GET", f"/_simulator/{path}")
        return log.replies


def test_two_processes_answer_alike_byte_for_byte() -> None:
    first = _replies("--seed", "7", *FROZEN)
    assert first == _replies("--seed", "7", *FROZEN)
    assert '"status": "SUCCESS"' in str(first)
    assert '"status": "FAIL"' in str(first)


def _made(seed: int | None) -> set[str]:
    ids = Ids(seed)
    return {ids.hex(1, "job"), ids.uuid(1, "image"), ids.text(1, "token", 512)}


def test_the_same_seed_makes_the_same_ids_and_another_one_others() -> None:
    assert _made(7) == _made(7)
    assert _made(7).isdisjoint(_made(8))


def test_without_a_seed_only_the_initial_objects_have_the_same_ids() -> None:
    assert _made(None).isdisjoint(_made(None))
    first, second = Cloud(), Cloud()
    assert first.accounts == second.accounts
    assert [image.id for image in first.images.values()] == [image.id for image in second.images.values()]


def test_ids_of_different_kinds_differ() -> None:
    ids = Ids(1)
    made = [ids.hex(number, word) for number in (1, 2) for word in ("job", "sub job", "request")]
    made += [ids.uuid(1, "image"), ids.text(1, "token", 512)]
    assert len(set(made)) == len(made)
    assert len(ids.text(1, "token", 512)) == 512


def test_after_a_restart_no_id_is_used_twice(tmp_path: Path) -> None:
    path = tmp_path / "state"
    for seed in (None, 1):
        cloud = Cloud(seed=seed, state_file=path, clock=FakeClock())
        salt, sequence = cloud.ids.salt, cloud.calls.last_sequence
        cloud.close()
        again = Cloud(seed=seed, state_file=path, clock=FakeClock())
        assert (again.ids.salt, again.calls.last_sequence) == (salt, sequence)
        again.close()
