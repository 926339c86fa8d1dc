"""The audit log of the API server: all writes, and the reads of Secrets.

The API server appends one line of JSON when it has answered a request (stage ResponseComplete). An event may therefore
appear some milliseconds after the client has its answer.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Self

POLICY: Final = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived", "ResponseStarted", "Panic"],
    "rules": [
        {"level": "Metadata", "verbs": ["create", "update", "patch", "delete", "deletecollection"]},
        {
            "level": "Metadata",
            "verbs": ["get", "list", "watch"],
            "resources": [{"group": "", "resources": ["secrets"]}],
        },
        {"level": "None"},
    ],
}


@dataclass(frozen=True)
class AuditEvent:
    """One write, or one read of a Secret. Refused requests are included; `code` is the HTTP status of the answer.

    `name` is empty for creations with generateName and for deletecollection. `namespace` is empty for cluster-scoped
    kinds, `group` for the core API. `resource` is the plural, `subresource` for instance `status`.
    """

    verb: str
    user: str
    user_agent: str
    group: str
    version: str
    resource: str
    subresource: str
    namespace: str
    name: str
    code: int
    dry_run: bool
    uri: str
    received: datetime
    completed: datetime
    audit_id: str

    @classmethod
    def parse(cls, line: str | bytes) -> Self:
        """Parse one line of the audit log; raise ValueError or KeyError if it is none."""
        event: dict[str, Any] = json.loads(line)
        target: dict[str, str] = event.get("objectRef") or {}
        uri: str = event["requestURI"]
        return cls(
            verb=event["verb"],
            user=event["user"]["username"],
            user_agent=event.get("userAgent", ""),
            group=target.get("apiGroup", ""),
            version=target.get("apiVersion", ""),
            resource=target.get("resource", ""),
            subresource=target.get("subresource", ""),
            namespace=target.get("namespace", ""),
            name=target.get("name", ""),
            code=int((event.get("responseStatus") or {}).get("code", 0)),
            dry_run="dryRun=" in uri,
            uri=uri,
            received=datetime.fromisoformat(event["requestReceivedTimestamp"]),
            completed=datetime.fromisoformat(event["stageTimestamp"]),
            audit_id=event["auditID"],
        )


def read(log: Path, start: int = 0) -> Iterator[AuditEvent]:
    """Yield the events from this byte on, in the order of completion. An incomplete last line is left out."""
    if not log.exists():
        return
    with log.open("rb") as file:
        file.seek(start)
        for line in file:
            if line.endswith(b"\n"):
                yield AuditEvent.parse(line)


def position(log: Path) -> int:
    """Return the offset in bytes at which the next event will begin."""
    return log.stat().st_size if log.exists() else 0
