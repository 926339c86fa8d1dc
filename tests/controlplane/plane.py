"""A real control plane (etcd, kube-apiserver, kube-controller-manager) for the length of a `with` block.

    with ControlPlane(find_binaries()) as plane:
        plane.kubectl("apply", "-f", "-", input=manifest)

No process and no file is left afterwards: `stop` ends it, also after an exception, after Ctrl-C and at the end of the
interpreter. If this process is killed, the guards of its processes notice that and clean up (see `guard`).
"""

import atexit
import contextlib
import os
import shutil
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import httpx

from controlplane import audit, components
from controlplane.audit import AuditEvent
from controlplane.binaries import Binaries
from controlplane.components import HOST, Layout
from controlplane.errors import ControlPlaneError, KubectlError, StartError
from controlplane.process import Process

_READY_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.05
_KUBECTL_SECONDS: Final = 120.0
_GRACE_SECONDS: Final = 10.0
_ATTEMPTS: Final = 3
_PORT_TAKEN: Final = "address already in use"


class ControlPlane:
    """One control plane, started by `with` or `start`.

    `controller_manager` also runs the controllers that delete namespaces, collect garbage, and create default service
    accounts and the Pods of Deployments; `binaries` must then have it. `logs` is a folder that is kept; by default the
    logs are removed with the control plane. All methods may be called from any thread, but start and stop from one
    thread at a time.
    """

    def __init__(
        self,
        binaries: Binaries,
        *,
        controller_manager: bool = False,
        logs: Path | None = None,
        ready_seconds: float = _READY_SECONDS,
    ) -> None:
        if controller_manager and binaries.kube_controller_manager is None:
            raise ValueError("these binaries have no kube-controller-manager: find_binaries(versions.ALL)")
        self.binaries = binaries
        self._manager_program = binaries.kube_controller_manager if controller_manager else None
        self._logs = logs
        self._ready_seconds = ready_seconds
        self._folder: Path | None = None
        self._layout: Layout | None = None
        self._processes: dict[str, Process] = {}
        self._etcd_port = 0
        self._port = 0
        self._http: httpx.Client | None = None
        self._owner = 0
        self._stopping = threading.Lock()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """`https://127.0.0.1:<port>`. A restart of the API server does not change it."""
        return f"https://{HOST}:{self._port}"

    @property
    def kubeconfig(self) -> Path:
        """Kubeconfig of a cluster administrator."""
        return self._started.folder / "kubeconfig"

    @property
    def token(self) -> str:
        """Bearer token of the administrator (user admin, group system:masters)."""
        return self._started.admin_token

    @property
    def ca(self) -> Path:
        """PEM file of the CA that signed the API server's certificate."""
        return self._started.pki.ca

    @property
    def logs(self) -> Path:
        """Folder with the log of each component and the audit log."""
        return self._started.logs

    @property
    def pids(self) -> dict[str, int]:
        """Process id of each running component by program name, for measurements. Signals go through the guards."""
        return {name: process.pid for name, process in self._processes.items() if process.running()}

    def start(self) -> None:
        """Start everything and wait until it is ready, some 4 s.

        Raises:
            StartError: a component failed. The message has the last lines of its log, and everything is stopped.
        """
        if self._folder:
            raise ControlPlaneError("this control plane runs already: stop it first")
        self._owner = os.getpid()
        atexit.register(self.stop)
        try:
            self._folder = Path(tempfile.mkdtemp(prefix="imagecopy-controlplane-"))
            self._layout = Layout.create(self._folder, self._logs or self._folder / "logs")
            self._with_free_ports(self._start_etcd)
            self._with_free_ports(self._first_start_of_apiserver)
            if self._manager_program:
                self._start_manager(self._manager_program)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Kill all processes and remove the folder. Do nothing if that has been done already."""
        if os.getpid() != self._owner:
            return  # this is a forked child that runs the exit handlers of its parent
        with self._stopping:
            # By SIGKILL: no data is needed any more, and a graceful shutdown of the API server takes seconds.
            for name in reversed(list(self._processes)):
                self._processes.pop(name).stop()
            if self._http:
                self._http.close()
                self._http = None
            if self._folder:
                shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = self._layout = None
            # Last, so that `stop` is still registered if a second Ctrl-C interrupts it.
            atexit.unregister(self.stop)

    def stop_apiserver(self, *, graceful: bool = False) -> None:
        """Stop the API server, by default at once as in a crash. etcd keeps the data."""
        self._processes.pop("kube-apiserver").stop(_GRACE_SECONDS if graceful else 0)

    def start_apiserver(self) -> None:
        """Start the API server again with the same port and data. Wait until it is ready, or raise StartError."""
        if "kube-apiserver" in self._processes:
            raise ControlPlaneError("the API server runs already: stop it first")
        self._with_free_ports(lambda: self._start_apiserver(self._port))

    def restart_apiserver(self, *, graceful: bool = False) -> None:
        """Stop the API server and start it again."""
        self.stop_apiserver(graceful=graceful)
        self.start_apiserver()

    def compact(self, resource_version: str) -> None:
        """Make etcd drop older versions. After a restart of the API server a watch from there gets 410 Gone."""
        body = {"revision": resource_version, "physical": True}
        with httpx.Client(trust_env=False) as client:
            url = f"http://{HOST}:{self._etcd_port}/v3/kv/compaction"
            client.post(url, json=body).raise_for_status()

    def kubectl(
        self,
        *arguments: str | Path,
        input: str | None = None,  # noqa: A002  (the name subprocess gives it)
        check: bool = True,
        timeout_seconds: float = _KUBECTL_SECONDS,
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl with an administrator's rights.

        Raises:
            KubectlError: `check` is true and kubectl failed; the message has its stderr.
            subprocess.TimeoutExpired: it took too long.
        """
        layout = self._started
        options = [f"--kubeconfig={self.kubeconfig}", f"--cache-dir={layout.folder / 'kubectl'}"]
        command = [str(self.binaries.kubectl), *options, *map(str, arguments)]
        done = subprocess.run(command, input=input, capture_output=True, text=True, timeout=timeout_seconds)
        if check and done.returncode != 0:
            raise KubectlError(f"kubectl {' '.join(map(str, arguments))}", done.returncode, done.stderr)
        return done

    def create_namespace(self, name: str) -> None:
        """Create a namespace. If the controllers run, wait for its default service account.

        Raises:
            httpx.HTTPStatusError: it exists already.
        """
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        self._client.post("/api/v1/namespaces", json=body).raise_for_status()
        if self._manager_program:
            self._wait_for_default_account(name)

    def metrics(self) -> str:
        """Return the metrics of the API server in the Prometheus text format."""
        return self._client.get("/metrics").raise_for_status().text

    def audit_events(self, start: int = 0) -> Iterator[AuditEvent]:
        """Yield the events of the audit log, oldest first, from an `audit_position` on."""
        return audit.read(self._started.audit_log, start)

    def audit_position(self) -> int:
        """Return the end of the audit log, for reading only later events."""
        return audit.position(self._started.audit_log)

    @property
    def _started(self) -> Layout:
        if self._layout is None:
            raise ControlPlaneError("this control plane does not run: start it first")
        return self._layout

    @property
    def _client(self) -> httpx.Client:
        if self._http is None:
            raise ControlPlaneError("the API server has not been ready yet")
        return self._http

    def _with_free_ports(self, start: Callable[[], None]) -> None:
        # Another process can take a port between its choice and its use.
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                start()
            except StartError as error:
                if attempt == _ATTEMPTS or _PORT_TAKEN not in str(error):
                    raise
            else:
                return

    def _launch(self, name: str, command: list[str | Path]) -> Process:
        layout = self._started
        log = layout.logs / f"{name}.log"
        process = Process(command, log=log, remove_if_orphaned=layout.folder, cwd=layout.folder)
        self._processes[name] = process
        return process

    def _wait(self, process: Process, what: str, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + self._ready_seconds
        while not ready():
            code = process.returncode()
            late = time.monotonic() > deadline
            if code is None and not late:
                time.sleep(_POLL_SECONDS)
                continue
            self._processes.pop(process.name, process).stop()
            problem = f"not {what} after {self._ready_seconds:.0f} s" if late else f"ended with {code}"
            raise StartError(f"{process.name}: {problem}; the end of {process.log.name}:\n{process.last_lines()}")

    def _start_etcd(self) -> None:
        self._etcd_port, peer_port = components.free_ports(2)
        command = components.etcd_command(self.binaries, self._started, self._etcd_port, peer_port)
        process = self._launch("etcd", command)
        health = f"http://{HOST}:{self._etcd_port}/readyz"
        with httpx.Client(trust_env=False) as client:
            self._wait(process, "ready", lambda: _answers_ok(client, health))

    def _first_start_of_apiserver(self) -> None:
        (self._port,) = components.free_ports(1)
        layout = self._started
        if self._http:
            self._http.close()
        context = ssl.create_default_context(cafile=str(layout.pki.ca))
        headers = {"Authorization": f"Bearer {layout.admin_token}"}
        self._http = httpx.Client(base_url=self.url, verify=context, headers=headers, trust_env=False)
        layout.write_kubeconfig("kubeconfig", self.url, layout.admin_token)
        self._start_apiserver(self._port)

    def _start_apiserver(self, port: int) -> None:
        command = components.apiserver_command(
            self.binaries,
            self._started,
            port,
            self._etcd_port,
            service_accounts=self._manager_program is not None,
        )
        process = self._launch("kube-apiserver", command)
        self._wait(process, "ready", lambda: _answers_ok(self._client, "/readyz"))

    def _start_manager(self, program: Path) -> None:
        layout = self._started
        kubeconfig = layout.write_kubeconfig("manager.kubeconfig", self.url, layout.manager_token)
        self._launch("kube-controller-manager", components.manager_command(program, kubeconfig, layout))
        self._wait_for_default_account("default")

    def _wait_for_default_account(self, namespace: str) -> None:
        account = f"/api/v1/namespaces/{namespace}/serviceaccounts/default"
        manager = self._processes["kube-controller-manager"]
        self._wait(manager, "making service accounts", lambda: _answers_ok(self._client, account))


def _answers_ok(client: httpx.Client, url: str) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return client.get(url).status_code == httpx.codes.OK
    return False
