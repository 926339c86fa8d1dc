"""A client of the API server for tests that run in threads, and ImageCopies as a test reads and changes them."""

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import httpx
import yaml

from controlplane import AuditEvent, ControlPlane
from support.objects import Manifest, collection
from support.waiting import wait_for

_NOT_THE_OPERATOR: Final = ("python-httpx", "kubectl", "kube-controller-manager")
_MERGE_PATCH: Final = {"Content-Type": "application/merge-patch+json"}


class Api:
    """A client of the API server with an administrator's rights. All threads may use one of it."""

    def __init__(self, plane: ControlPlane) -> None:
        self.plane = plane
        self.http = httpx.Client(
            base_url=plane.url,
            verify=ssl.create_default_context(cafile=str(plane.ca)),
            headers={"Authorization": f"Bearer {plane.token}"},
            trust_env=False,
            timeout=30,
        )

    def close(self) -> None:
        """Close the connections."""
        self.http.close()

    def create(self, collection: str, manifest: Manifest) -> None:
        """Create an object."""
        reply = self.http.post(collection, json=manifest, params={"fieldValidation": "Strict"})
        assert reply.is_success, reply.text

    def patch(self, path: str, change: Mapping[str, object]) -> None:
        """Apply a merge patch to an object."""
        reply = self.http.patch(path, json=dict(change), headers=_MERGE_PATCH)
        assert reply.is_success, reply.text

    def get(self, path: str) -> Manifest:
        """Return an object or a list."""
        reply = self.http.get(path)
        assert reply.is_success, reply.text
        found: Manifest = reply.json()
        return found

    def exists(self, path: str) -> bool:
        """Tell whether an object exists."""
        return self.http.get(path).status_code != httpx.codes.NOT_FOUND

    def delete(self, path: str) -> None:
        """Delete an object."""
        reply = self.http.delete(path)
        assert reply.is_success, reply.text


@dataclass(frozen=True)
class CopyState:
    """An ImageCopy at one moment."""

    body: Manifest

    @property
    def status(self) -> Manifest:
        """Its status."""
        status: Manifest = self.body.get("status") or {}
        return status

    @property
    def phase(self) -> str:
        """Its phase."""
        return str(self.status.get("phase", ""))

    @property
    def finalizers(self) -> list[str]:
        """Its finalizers."""
        return list(self.body["metadata"].get("finalizers", []))

    @property
    def outcomes(self) -> list[tuple[str, str | None]]:
        """How the attempts ended, with the cloud's codes."""
        return [(ended["outcome"], ended.get("code")) for ended in self.status.get("attempts", [])]

    def condition(self, kind: str) -> Manifest:
        """Return a condition, or an empty dict if it has none of this type."""
        return next((c for c in self.status.get("conditions", []) if c["type"] == kind), {})

    def status_and_reason(self, kind: str) -> tuple[str, str]:
        """Return status and reason of a condition, empty if it has none of this type."""
        found = self.condition(kind)
        return found.get("status", ""), found.get("reason", "")

    @property
    def reason(self) -> str:
        """The reason of Ready."""
        return self.status_and_reason("Ready")[1]

    @property
    def message(self) -> str:
        """The message of Ready."""
        return str(self.condition("Ready").get("message", ""))

    def __str__(self) -> str:
        metadata = {key: value for key, value in self.body["metadata"].items() if key != "managedFields"}
        return yaml.safe_dump(self.body | {"metadata": metadata}, sort_keys=False)


class Copy:
    """One ImageCopy on the API server."""

    def __init__(self, api: Api, namespace: str, name: str) -> None:
        self.api, self.namespace, self.name = api, namespace, name
        self.path = f"{collection(namespace, 'imagecopies')}/{name}"

    def get(self) -> CopyState:
        """Read it."""
        return CopyState(self.api.get(self.path))

    def until(self, holds: Callable[[CopyState], object], what: str, seconds: float = 60.0) -> CopyState:
        """Read it until a condition holds; return that state."""

        def check() -> CopyState | None:
            state = self.get()
            return state if holds(state) else None

        return wait_for(check, f"{self.name}: {what}", seconds)

    def until_phase(self, phase: str, seconds: float = 60.0) -> CopyState:
        """Wait for a phase. A copy that fails instead fails the test at once."""

        def reached(state: CopyState) -> bool:
            assert phase == "Failed" or state.phase != "Failed", state.message
            return state.phase == phase

        return self.until(reached, f"phase {phase}", seconds)

    def until_reason(self, reason: str, seconds: float = 60.0) -> CopyState:
        """Wait for a reason of the condition Ready."""
        return self.until(lambda state: state.reason == reason, f"reason {reason}", seconds)

    def until_finished(self, phase: str, seconds: float = 60.0) -> CopyState:
        """Wait for a phase, and until the operator has removed its finalizer."""
        self.until_phase(phase, seconds)
        return self.until_released(phase)

    def until_released(self, phase: str, seconds: float = 60.0) -> CopyState:
        """Wait for a phase without a finalizer, whatever phase comes before."""
        return self.until(
            lambda state: state.phase == phase and not state.finalizers, f"{phase} without finalizer", seconds
        )

    def edit(self, **spec: object) -> None:
        """Change fields of its spec."""
        self.api.patch(self.path, {"spec": spec})

    def retry(self, value: str) -> None:
        """Request a retry by its annotation."""
        self.api.patch(self.path, {"metadata": {"annotations": {"imagecopy.io/retry-requested-at": value}}})

    def delete(self, seconds: float = 60.0) -> None:
        """Delete it and wait until it is gone."""
        self.api.delete(self.path)
        self.wait_gone(seconds)

    def wait_gone(self, seconds: float = 60.0) -> None:
        """Wait until it is gone."""
        wait_for(lambda: not self.api.exists(self.path), f"{self.name} gone", seconds)

    def events(self) -> list[tuple[str, str, str]]:
        """Return type, reason and message of its Events, oldest first."""
        found = self.api.get(f"/api/v1/namespaces/{self.namespace}/events")["items"]
        mine = [event for event in found if event["involvedObject"]["name"] == self.name]
        mine.sort(key=lambda event: int(event["metadata"]["resourceVersion"]))
        return [(event["type"], event["reason"], event["message"]) for event in mine]

    def event_reasons(self) -> list[str]:
        """Return the reasons of its Events, oldest first."""
        return [reason for _, reason, _ in self.events()]

    def until_event(self, reason: str) -> str:
        """Wait for an Event; return its message. It appears a moment after the status that it is about."""
        return wait_for(
            lambda: next((message for _, found, message in self.events() if found == reason), None),
            f"{self.name}: Event {reason}",
        )

    def writes(self) -> list[AuditEvent]:
        """Return the operator's writes to it that succeeded."""
        return [
            event
            for event in self.api.plane.audit_events()
            if (event.resource, event.namespace, event.name) == ("imagecopies", self.namespace, self.name)
            and not event.user_agent.startswith(_NOT_THE_OPERATOR)
            and event.code < httpx.codes.BAD_REQUEST
        ]
