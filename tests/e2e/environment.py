"""Environments of tests: what one test has for itself, and what all tests of a control plane share."""

import itertools
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from controlplane.components import free_ports
from controlplane.process import Process
from e2e.objects import Api, Copy
from e2e.simulator import Simulator
from support import objects
from support.objects import GROUP, Manifest, collection, secrets_of
from support.processes import HOST, Operator
from support.waiting import wait_for

WRONG_PASSWORD: Final = "wrong-Pa55word"
"""Not the password of any login. At the end all logs are searched for it."""
_IMAGE_ID_LENGTH: Final = 36


class Ports:
    """Ports that are chosen before the operators start, as the allowlist of an operator names each of them."""

    def __init__(self, count: int) -> None:
        self.all = free_ports(count)
        self._left = list(self.all)

    def take(self) -> int:
        """Return a port that nobody else gets."""
        return self._left.pop()


@dataclass
class SharedEnvironment:
    """One control plane, and the folder and ports of all that runs on it."""

    api: Api
    folder: Path
    """Logs of all operators and states of all simulators. At the end it is searched for secrets."""
    ports: Ports
    _counter: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def operator(
        self, name: str, settings: Mapping[str, str] | None = None, *, kubeconfig: Path | None = None
    ) -> Operator:
        """Start an operator; `name` is part of its log's name."""
        log = self.folder / f"operator-{name}-{next(self._counter)}.log"
        allowed = ",".join(f"{HOST}:{port}" for port in self.ports.all)
        usual = {"IMAGECOPY_ENDPOINT_ALLOWLIST": allowed, "IMAGECOPY_MIN_POLL_SECONDS": "0.2"}
        return Operator(kubeconfig or self.api.plane.kubeconfig, log, self.ports.take(), {**usual, **(settings or {})})


class Watch:
    """A kubectl command that runs until it is closed, such as `kubectl get --watch`."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def rows(self) -> list[list[str]]:
        """Return the lines it has printed so far, split at blanks."""
        return [line.split() for line in self._process.log.read_text().splitlines()]

    def close(self) -> None:
        """End it."""
        self._process.stop()


class Environment:
    """What one test has for itself: a namespace, a simulator, and the operators that it starts."""

    def __init__(self, shared: SharedEnvironment, namespace: str) -> None:
        self.shared, self.api, self.namespace = shared, shared.api, namespace
        self.cloud = Simulator(shared.ports.take(), shared.folder)
        self._operators: list[Operator] = []

    @contextmanager
    def open(self) -> Iterator["Environment"]:
        """Create it, and stop its processes at the end. A failure gets a note with objects, calls and logs."""
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
        """Run kubectl in the namespace; return its output."""
        done = self.api.plane.kubectl("-n", self.namespace, *arguments, input=stdin, check=check)
        return done.stdout + done.stderr

    def replace(self, manifest: Manifest) -> None:
        """Put this manifest in the place of its object, as a user or Argo CD does.

        kubectl reads the object and writes it with what it read as a precondition. Where a write of the operator comes
        in between, the command is run again.
        """
        given = json.dumps(manifest)

        def replaced() -> bool:
            done = self.api.plane.kubectl("-n", self.namespace, "replace", "-f", "-", input=given, check=False)
            assert done.returncode == 0 or "Error from server (Conflict)" in done.stderr, done.stderr
            return done.returncode == 0

        wait_for(replaced, "kubectl replace met no other write")

    def kubectl_watch(self, *arguments: str) -> Watch:
        """Start a kubectl command in the namespace, whose output is read while it runs."""
        plane, log = self.api.plane, self.shared.folder / f"kubectl-{self.namespace}.log"
        log.touch()
        options = [f"--kubeconfig={plane.kubeconfig}", "-n", self.namespace]
        return Watch(Process([plane.binaries.kubectl, *options, *arguments], log=log))

    def operator(self, **settings: str) -> Operator:
        """Start an operator that watches this namespace only, and wait until it is ready."""
        operator = self.shared.operator(self.namespace, {"IMAGECOPY_NAMESPACES": self.namespace, **settings})
        self._operators.append(operator)
        operator.wait_ready()
        return operator

    def connect(self) -> None:
        """Create the provider `cloud` and its Secret `login`, both valid."""
        self.secret(self.cloud.login())
        self.provider()

    def secret(self, data: Mapping[str, str], name: str = "login") -> None:
        """Create a Secret, or replace its content."""
        path = secrets_of(self.namespace)
        if self.api.exists(f"{path}/{name}"):
            old = self.api.get(f"{path}/{name}")["data"]
            self.api.patch(f"{path}/{name}", {"data": dict.fromkeys(old), "stringData": dict(data)})
        else:
            self.api.create(path, objects.secret(name, data))

    def provider(self, *, name: str = "cloud", **spec: object) -> None:
        """Create an ImageProvider. A field that is None is left out."""
        manifest = objects.image_provider(name, **(self.provider_spec() | spec))
        self.api.create(collection(self.namespace, "imageproviders"), manifest)

    def cluster_provider(self, name: str) -> None:
        """Create a ClusterImageProvider that uses the Secret `login` of the namespace."""
        manifest = objects.cluster_image_provider(name, self.namespace, **self.provider_spec())
        self.api.create(f"{GROUP}/clusterimageproviders", manifest)

    def provider_spec(self) -> Manifest:
        """Return the part of a provider's spec that points to the simulator."""
        return self.cloud.provider_spec()

    def manifest(self, name: str, source: str = "plain", **spec: object) -> Manifest:
        """Return an ImageCopy. `source` is a kind of the simulator's source images, or an image id."""
        is_id = "-" in source and len(source) == _IMAGE_ID_LENGTH
        return objects.image_copy(name, source if is_id else self.cloud.source(source), **spec)

    def copy(self, name: str, source: str = "plain", **spec: object) -> Copy:
        """Create an ImageCopy."""
        self.api.create(collection(self.namespace, "imagecopies"), self.manifest(name, source, **spec))
        return self.existing(name)

    def existing(self, name: str) -> Copy:
        """Return an ImageCopy that something else creates, or has created."""
        return Copy(self.api, self.namespace, name)

    def _evidence(self) -> str:
        """Return objects, calls and logs, as far as they can be read."""
        parts = []
        try:
            parts += [self.kubectl("get", "imgcp,imageproviders", "-o", "yaml"), self.kubectl("get", "events")]
            parts.append(self.cloud.call_log())
        except Exception as exc:
            parts.append(f"(no more evidence: {exc})")
        parts += [
            f"{log.name}:\n"
            + "\n".join(line for line in log.read_text().splitlines()[-4000:] if self._is_about_us(line, log))
            for log in sorted(self.shared.folder.glob("operator-*.log"))
        ]
        return "\n".join(parts)[-20000:]

    def _is_about_us(self, line: str, log: Path) -> bool:
        return self.namespace in log.name or f'"{self.namespace}"' in line
