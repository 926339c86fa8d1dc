"""Runs simulators in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

COMMAND = [sys.executable, "-c", "from ims_simulator.cli import main; main()"]


class Process:
    """A simulator in a process of its own."""

    def __init__(self, *options: str, **environment: str) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, "--port", "0", *options],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("ims-simulator ready on http://127.0.0.1:"), line
        self.url = line.split()[-1]

    def call(self, method: str, path: str, body: object = None, token: str = "") -> tuple[int, Any, str]:
        data = None if body is None else json.dumps(body).encode()
        headers = {"X-Auth-Token": token, "Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return response.status, json.load(response), response.headers.get("X-Subject-Token", "")
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error), ""

    def login(self) -> str:
        login = self.call("GET", "/_simulator/config")[1]["logins"][0]
        user = {"name": login["user"], "password": login["password"], "domain": {"name": login["domain"]}}
        auth = {
            "identity": {"methods": ["password"], "password": {"user": user}},
            "scope": {"project": {"id": login["project_id"]}},
        }
        return self.call("POST", "/v3/auth/tokens", {"auth": auth})[2]

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=60)


@contextmanager
def running(*options: str, **environment: str) -> Iterator[Process]:
    process = Process(*options, **environment)
    try:
        yield process
    finally:
        if process.process.poll() is None:
            process.process.kill()
            process.process.wait()
        if process.process.stdout is not None:
            process.process.stdout.close()
