"""Objects on the API server, as a test reads and changes them."""

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx
import yaml

from controlplane import AuditEvent, ControlPlane
from e2e.processes import wait_for

Manifest = dict[str, Any]

GROUP: Final = "/apis/imagecopy.io/v1alpha1"
_NOT_THE_OPERATOR: Final = ("python-httpx", "kubectl", "kube-controller-manager")
_MERGE_PATCH: Final = {"Content-Type": "application/merge-patch+json"}


class Api:
    """The API server, as its administrator; one for all threads."""

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
        """Merge a change into an object."""
        reply = self.http.patch(path, json=dict(change), headers=_MERGE_PATCH)
        assert reply.is_success, reply.text

    def get(self, path: str) -> Manifest:
        """Return an object or a list."""
        reply = self.http.get(path)
        assert reply.is_success, reply.text
        found: Manifest = reply.json()
        return found

    def exists(self, path: str) -> bool:
        """Tell whether there is such an object."""
        return self.http.get(path).status_code != httpx.codes.NOT_FOUND

    def delete(self, path: str) -> None:
        """Delete an object."""
        reply = self.http.delete(path)
        assert reply.is_success, reply.text


@dataclass(frozen=True)
class Seen:
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
        """What keeps it from going."""
        return list(self.body["metadata"].get("finalizers", []))

    @property
    def outcomes(self) -> list[tuple[str, str | None]]:
        """How the attempts ended, with the cloud's codes."""
        return [(ended["outcome"], ended.get("code")) for ended in self.status.get("attempts", [])]

    def condition(self, kind: str) -> Manifest:
        """Return a condition; empty if it is not there."""
        return next((c for c in self.status.get("conditions", []) if c["type"] == kind), {})

    def told(self, kind: str) -> tuple[str, str]:
        """Return status and reason of a condition."""
        found = self.condition(kind)
        return found.get("status", ""), found.get("reason", "")

    @property
    def reason(self) -> str:
        """The reason of Ready."""
        return self.told("Ready")[1]

    @property
    def message(self) -> str:
        """The message of Ready."""
        return str(self.condition("Ready").get("message", ""))

    def __str__(self) -> str:
        metadata = {key: value for key, value in self.body["metadata"].items() if key != "managedFields"}
        return yaml.safe_dump(self.body | {"metadata": metadata}, sort_keys=False)


class Copy:
    """One ImageCopy, by its name."""

    def __init__(self, api: Api, namespace: str, name: str) -> None:
        self.api, self.namespace, self.name = api, namespace, name
        self.path = f"{GROUP}/namespaces/{namespace}/imagecopies/{name}"

    def get(self) -> Seen:
        """Return it as it is."""
        return Seen(self.api.get(self.path))

    def until(self, holds: Callable[[Seen], object], what: str, seconds: float = 60.0) -> Seen:
        """Wait until something holds; return the object as it was then."""

        def look() -> Seen | None:
            seen = self.get()
            return seen if holds(seen) else None

        return wait_for(look, f"{self.name}: {what}", seconds)

    def until_phase(self, phase: str, seconds: float = 60.0) -> Seen:
        """Wait for a phase; a copy that fails instead fails the test at once."""

        def there(seen: Seen) -> bool:
            assert phase == "Failed" or seen.phase != "Failed", seen.message
            return seen.phase == phase

        return self.until(there, f"phase {phase}", seconds)

    def until_reason(self, reason: str, seconds: float = 60.0) -> Seen:
        """Wait for a reason of Ready."""
        return self.until(lambda seen: seen.reason == reason, f"reason {reason}", seconds)

    def until_at_rest(self, phase: str, seconds: float = 60.0) -> Seen:
        """Wait for a phase in which the operator has let go of the object."""
        self.until_phase(phase, seconds)
        return self.until(lambda seen: seen.phase == phase and not seen.finalizers, f"{phase}, let go of")

    def edit(self, **spec: object) -> None:
        """Change fields of its spec."""
        self.api.patch(self.path, {"spec": spec})

    def retry(self, value: str) -> None:
        """Ask for a retry."""
        self.api.patch(self.path, {"metadata": {"annotations": {"imagecopy.io/retry-requested-at": value}}})

    def delete(self, seconds: float = 60.0) -> None:
        """Delete it and wait until it is gone."""
        self.api.delete(self.path)
        self.wait_gone(seconds)

    def wait_gone(self, seconds: float = 60.0) -> None:
        """Wait until it is gone."""
        wait_for(lambda: not self.api.exists(self.path), f"{self.name} gone", seconds)

    def events(self) -> list[tuple[str, str, str]]:
        """Return its Events: type, reason, message; in the order of their making."""
        found = self.api.get(f"/api/v1/namespaces/{self.namespace}/events")["items"]
        mine = [event for event in found if event["involvedObject"]["name"] == self.name]
        mine.sort(key=lambda event: int(event["metadata"]["resourceVersion"]))
        return [(event["type"], event["reason"], event["message"]) for event in mine]

    def event_reasons(self) -> list[str]:
        """Return the reasons of its Events, in the order of their making."""
        return [reason for _, reason, _ in self.events()]

    def until_event(self, reason: str) -> str:
        """Wait for an Event; return its message. An Event comes a moment after the status that it tells of."""
        return wait_for(
            lambda: next((message for _, told, message in self.events() if told == reason), None),
            f"{self.name}: Event {reason}",
        )

    def writes(self) -> list[AuditEvent]:
        """Return the operator's writes to it that were carried out."""
        return [
            event
            for event in self.api.plane.audit_events()
            if (event.resource, event.namespace, event.name) == ("imagecopies", self.namespace, self.name)
            and not event.user_agent.startswith(_NOT_THE_OPERATOR)
            and event.code < httpx.codes.BAD_REQUEST
        ]
