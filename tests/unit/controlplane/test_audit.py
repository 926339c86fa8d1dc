"""Parsing the audit log."""

import json
from pathlib import Path

from controlplane import audit

_EVENT = {
    "kind": "Event",
    "auditID": "1f",
    "stage": "ResponseComplete",
    "requestURI": "/apis/imagecopy.io/v1alpha1/namespaces/a/imagecopies/x/status?fieldManager=kopf",
    "verb": "patch",
    "user": {"username": "system:serviceaccount:a:operator"},
    "userAgent": "imagecopy/0.1",
    "objectRef": {
        "resource": "imagecopies",
        "namespace": "a",
        "name": "x",
        "apiGroup": "imagecopy.io",
        "apiVersion": "v1alpha1",
        "subresource": "status",
    },
    "responseStatus": {"metadata": {}, "code": 409},
    "requestReceivedTimestamp": "2026-01-02T03:04:05.000001Z",
    "stageTimestamp": "2026-01-02T03:04:05.000301Z",
}


def test_event_has_who_what_and_outcome(tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    log.write_text(json.dumps(_EVENT) + "\n")
    (event,) = audit.read(log)

    assert (event.verb, event.group, event.resource, event.subresource) == (
        "patch",
        "imagecopy.io",
        "imagecopies",
        "status",
    )
    assert (event.namespace, event.name, event.code, event.user_agent) == ("a", "x", 409, "imagecopy/0.1")
    assert (event.completed - event.received).microseconds == 300
    assert not event.dry_run


def test_reading_goes_on_from_a_position_and_leaves_out_a_half_line(tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    assert list(audit.read(log)) == []
    assert audit.position(log) == 0
    log.write_text(json.dumps(_EVENT) + "\n")
    start = audit.position(log)
    with log.open("a") as file:
        file.write(json.dumps(_EVENT | {"verb": "delete"}) + "\n" + '{"verb": "cre')

    assert [event.verb for event in audit.read(log, start)] == ["delete"]


def test_request_without_an_object_is_read(tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    bare = {key: value for key, value in _EVENT.items() if key not in {"objectRef", "userAgent", "responseStatus"}}
    log.write_text(json.dumps(bare | {"requestURI": "/x?dryRun=All"}) + "\n")
    (event,) = audit.read(log)

    assert (event.resource, event.name, event.user_agent, event.code) == ("", "", "", 0)
    assert event.dry_run
