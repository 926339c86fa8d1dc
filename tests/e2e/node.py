"""A node without a kubelet: runs the Pods of a namespace as processes of this machine.

A Pod gets the command, environment, volumes, hosts and service account of its manifest. Its probes decide when it is
ready. Its deletion sends SIGTERM and waits for the grace period. Container images, users, limits and networks are not
emulated, so two Pods can't listen on the same port. In a plain box nothing is mounted: paths into volumes are rewritten
in command and environment, a kubeconfig holds the token, and the Python programs resolve Services' names themselves.
"""

import http.client
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from controlplane.process import Process
from e2e.objects import Api
from e2e.pod import Box, Pod
from support.objects import Manifest
from support.processes import ask
from support.waiting import STOP

_POLL_SECONDS: Final = 0.2
_NAME: Final = "here"
_MERGE: Final = {"Content-Type": "application/strategic-merge-patch+json"}


class Node:
    """Runs the Pods of one namespace while the `with` block runs."""

    def __init__(self, api: Api, namespace: str, folder: Path, box: Box) -> None:
        self.api, self.namespace, self.folder, self.box = api, namespace, folder, box
        self._pods = f"/api/v1/namespaces/{namespace}/pods"
        self._stop = threading.Event()
        self._threads: dict[str, threading.Thread] = {}
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._failures: list[Exception] = []

    def __enter__(self) -> Self:
        folder = self.folder
        folder.mkdir(parents=True, exist_ok=True)
        self._watcher.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._watcher.join()
        for thread in self._threads.values():
            thread.join()
        if error is not None:
            error.add_note(self.evidence())
        elif self._failures:
            raise self._failures[0]

    def log(self, part_of_name: str) -> str:
        """Return the logs of the Pods whose name contains this."""
        return "".join(path.read_text() for path in sorted(self.folder.glob(f"pod-*{part_of_name}*.log")))

    def evidence(self) -> str:
        """Return the end of all logs, and the failures of the node itself."""
        logs = [f"{path.name}:\n{path.read_text()[-3000:]}" for path in sorted(self.folder.glob("pod-*.log"))]
        return "\n".join([f"{self.box.about}", *logs, *map(repr, self._failures)])

    def _watch(self) -> None:
        while not self._stop.wait(_POLL_SECONDS) and not STOP.is_set():
            for body in self._guarded(lambda: self.api.get(self._pods)["items"]) or ():
                uid = body["metadata"]["uid"]
                if uid not in self._threads:
                    thread = threading.Thread(target=self._guarded, args=(lambda body=body: self._run(body),))
                    self._threads[uid] = thread
                    thread.start()

    def _guarded(self, work: Callable[[], list[Manifest] | None]) -> list[Manifest] | None:
        try:
            return work()
        except Exception as error:
            if not self._stop.is_set():
                self._failures.append(error)
            return None

    def _run(self, body: Manifest) -> None:
        pod = Pod(self.api, body, self.folder)
        if not body["spec"].get("nodeName"):
            self._bind(pod)
        command, environment = pod.command(self.box)
        restarts = 0
        while True:
            process = Process(command, log=pod.log, env=environment)
            try:
                code = self._follow(pod, process, restarts)
            finally:
                process.stop(pod.grace_seconds)
            if code is None:
                self._remove(pod)
                return
            if not pod.is_restarted(code):
                self._report(pod, "Succeeded" if code == 0 else "Failed", restarts, code=code)
                return
            restarts += 1
            self._report(pod, "Running", restarts, code=code)

    def _follow(self, pod: Pod, process: Process, restarts: int) -> int | None:
        """Report its readiness until it ends; return its exit code, or None if the Pod was deleted."""
        reported: bool | None = None
        while process.running():
            if self._is_deleted(pod):
                return None
            ready = _answers(pod.readiness)
            if ready is not reported:
                self._report(pod, "Running", restarts, ready=ready)
                reported = ready
            self._stop.wait(_POLL_SECONDS)
        return process.returncode()

    def _is_deleted(self, pod: Pod) -> bool:
        if self._stop.is_set() or STOP.is_set():
            return True
        reply = self.api.http.get(pod.path)
        if reply.status_code == http.client.NOT_FOUND:
            return True
        meta = reply.json()["metadata"]
        return meta["uid"] != pod.uid or "deletionTimestamp" in meta

    def _bind(self, pod: Pod) -> None:
        binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": pod.name}, "target": {"name": _NAME}}
        self.api.http.post(f"{pod.path}/binding", json=binding).raise_for_status()

    def _remove(self, pod: Pod) -> None:
        if not self._stop.is_set():
            options = {"gracePeriodSeconds": 0, "preconditions": {"uid": pod.uid}}
            self.api.http.request("DELETE", pod.path, json=options)

    def _report(self, pod: Pod, phase: str, restarts: int, *, ready: bool = False, code: int | None = None) -> None:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        state: Manifest = {"running": {"startedAt": now}}
        if code is not None:
            ended = {"exitCode": code, "reason": "Completed" if code == 0 else "Error", "finishedAt": now}
            state = {"terminated": ended | {"message": pod.log.read_text()[-2000:]}}
        conditions = [
            {"type": kind, "status": str(ready), "lastTransitionTime": now} for kind in ("Ready", "ContainersReady")
        ]
        container = {
            "name": pod.container["name"],
            "image": pod.container["image"],
            "imageID": "",
            "ready": ready,
            "started": ready,
            "restartCount": restarts,
            "state": state,
        }
        status = {"phase": phase, "startTime": now, "conditions": conditions, "containerStatuses": [container]}
        reply = self.api.http.patch(f"{pod.path}/status", json={"status": status}, headers=_MERGE)
        assert reply.is_success or reply.status_code == http.client.NOT_FOUND, reply.text


def _answers(probe: tuple[int, str] | None) -> bool:
    """Call a readiness probe over HTTP as a kubelet does. A container without a probe is ready."""
    if probe is None:
        return True
    try:
        return 200 <= ask(*probe)[0] < 400
    except OSError:
        return False
