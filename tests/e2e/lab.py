"""A lab: what one test has for itself. A namespace, a simulator, and operators if it starts its own."""

import itertools
import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx

from controlplane.components import free_ports
from controlplane.process import Process
from e2e.objects import GROUP, Api, Copy, Manifest
from e2e.processes import HOST, Operator, Simulator, wait_for

WRONG_PASSWORD: Final = "wrong-Pa55word"
"""Not the password of any login; looked for in all logs at the end."""
_VERSION: Final = "imagecopy.io/v1alpha1"


class Ports:
    """Ports chosen before the operators start, as their allowlist has to name each."""

    def __init__(self, count: int) -> None:
        self.all = free_ports(count)
        self._left = list(self.all)

    def take(self) -> int:
        """Return one that nobody else gets."""
        return self._left.pop()


@dataclass
class Site:
    """One control plane and what is run on it."""

    api: Api
    folder: Path
    """Logs of all operators and state files of all simulators; looked through for secrets at the end."""
    ports: Ports
    knobs: Mapping[str, str] = field(default_factory=dict)
    _counter: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def operator(
        self, name: str, knobs: Mapping[str, str] | None = None, *, kubeconfig: Path | None = None
    ) -> Operator:
        """Start an operator; ``name`` is for its log."""
        log = self.folder / f"operator-{name}-{next(self._counter)}.log"
        allowed = ",".join(f"{HOST}:{port}" for port in self.ports.all)
        ours = {"IMAGECOPY_ENDPOINT_ALLOWLIST": allowed, "IMAGECOPY_MIN_POLL_SECONDS": "0.2", **self.knobs}
        return Operator(kubeconfig or self.api.plane.kubeconfig, log, self.ports.take(), {**ours, **(knobs or {})})


class Watch:
    """A kubectl that goes on and on."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def rows(self) -> list[list[str]]:
        """Return the lines it has said so far, cut at blanks."""
        return [line.split() for line in self._process.log.read_text().splitlines()]

    def close(self) -> None:
        """End it."""
        self._process.stop()


class Lab:
    """What one test has for itself."""

    def __init__(self, site: Site, namespace: str) -> None:
        self.site, self.api, self.namespace = site, site.api, namespace
        self.cloud = Simulator(site.ports.take(), site.folder)
        self._operators: list[Operator] = []

    @contextmanager
    def open(self) -> Iterator["Lab"]:
        """Make it; at the end, stop its processes. A failure is told with all that explains it."""
        try:
            self.api.plane.create_namespace(self.namespace)
            self.cloud.start()
            yield self
        except BaseException as exc:
            exc.add_note(self._evidence())
            raise
        finally:
            for operator in self._operators:
                operator.stop()
            self.cloud.close()

    def kubectl(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        """Run kubectl in the namespace; return what it said."""
        done: subprocess.CompletedProcess[str] = self.api.plane.kubectl(
            "-n", self.namespace, *arguments, input=stdin, check=check
        )
        return done.stdout + done.stderr

    def replace(self, manifest: Manifest) -> None:
        """Put this manifest in the place of its object, as a user or Argo CD does.

        kubectl reads the object and writes it with what it read as a precondition. Whoever meets a write of the
        operator in between runs the command again.
        """
        given = json.dumps(manifest)

        def replaced() -> bool:
            done = self.api.plane.kubectl("-n", self.namespace, "replace", "-f", "-", input=given, check=False)
            assert done.returncode == 0 or "Error from server (Conflict)" in done.stderr, done.stderr
            return done.returncode == 0

        wait_for(replaced, "kubectl replace met no other write")

    def kubectl_watch(self, *arguments: str) -> "Watch":
        """Start kubectl, to read what it says until then whenever we like."""
        plane, log = self.api.plane, self.site.folder / f"kubectl-{self.namespace}.log"
        log.touch()
        options = [f"--kubeconfig={plane.kubeconfig}", "-n", self.namespace]
        return Watch(Process([plane.binaries.kubectl, *options, *arguments], log=log))

    def operator(self, **knobs: str) -> Operator:
        """Start an operator of our own and wait until it watches this namespace and no other."""
        operator = self.site.operator(self.namespace, {"IMAGECOPY_NAMESPACES": self.namespace, **knobs})
        self._operators.append(operator)
        operator.wait_ready()
        return operator

    def connect(self) -> None:
        """Make the provider ``cloud`` and its Secret ``login``, both good."""
        self.secret(self.cloud.login())
        self.provider()

    def secret(self, data: Mapping[str, str], name: str = "login") -> None:
        """Create a Secret, or put this content into it."""
        body = {"metadata": {"name": name}, "stringData": dict(data), "type": "Opaque"}
        path = f"/api/v1/namespaces/{self.namespace}/secrets"
        if self.api.exists(f"{path}/{name}"):
            old = self.api.get(f"{path}/{name}")["data"]
            self.api.patch(f"{path}/{name}", {"data": dict.fromkeys(old), "stringData": dict(data)})
        else:
            self.api.create(path, {"apiVersion": "v1", "kind": "Secret", **body})

    def provider(self, *, name: str = "cloud", **spec: object) -> None:
        """Create a provider of the namespace; a field that is None is left out."""
        wanted = self.provider_spec() | {"credentialsSecretRef": {"name": "login"}} | spec
        self.api.create(
            f"{GROUP}/namespaces/{self.namespace}/imageproviders",
            {
                "apiVersion": _VERSION,
                "kind": "ImageProvider",
                "metadata": {"name": name},
                "spec": {key: value for key, value in wanted.items() if value is not None},
            },
        )

    def cluster_provider(self, name: str) -> None:
        """Create a ClusterImageProvider that uses the Secret ``login`` of the namespace."""
        secret = {"name": "login", "namespace": self.namespace}
        self.api.create(
            f"{GROUP}/clusterimageproviders",
            {
                "apiVersion": _VERSION,
                "kind": "ClusterImageProvider",
                "metadata": {"name": name},
                "spec": self.provider_spec() | {"credentialsSecretRef": secret},
            },
        )

    def provider_spec(self) -> Manifest:
        """Return where our simulator is."""
        url = self.cloud.url
        return {"endpoints": {"ims": url, "iam": f"{url}/v3"}, "projectID": self.cloud.config["project_id"]}

    def manifest(self, name: str, source: str = "plain", **spec: object) -> Manifest:
        """Return an ImageCopy; ``source`` is a kind of the simulator's source images, or an image id."""
        image_id = source if "-" in source and len(source) == 36 else self.cloud.source(source)
        wanted = {"source": {"imageID": image_id}, "providerRef": {"kind": "ImageProvider", "name": "cloud"}} | spec
        given = {key: value for key, value in wanted.items() if value is not None}
        return {"apiVersion": _VERSION, "kind": "ImageCopy", "metadata": {"name": name}, "spec": given}

    def copy(self, name: str, source: str = "plain", **spec: object) -> Copy:
        """Create an ImageCopy."""
        copy = Copy(self.api, self.namespace, name)
        self.api.create(copy.path.rpartition("/")[0], self.manifest(name, source, **spec))
        return copy

    def known(self, name: str) -> Copy:
        """Return an ImageCopy that somebody else creates, or did."""
        return Copy(self.api, self.namespace, name)

    def _evidence(self) -> str:
        """Return objects, calls, logs: best effort."""
        parts = []
        try:
            parts += [self.kubectl("get", "imgcp,imageproviders", "-o", "yaml"), self.kubectl("get", "events")]
            parts.append(self.cloud.told())
        except (Exception, httpx.HTTPError) as exc:
            parts.append(f"(no more evidence: {exc})")
        parts += [
            f"{log.name}:\n"
            + "\n".join(line for line in log.read_text().splitlines()[-4000:] if self._is_mine(line, log))
            for log in sorted(self.site.folder.glob("operator-*.log"))
        ]
        return "\n".join(parts)[-20000:]

    def _is_mine(self, line: str, log: Path) -> bool:
        return self.namespace in log.name or f'"{self.namespace}"' in line
