"""The rows of the matrix: where in the life of a copy the operator is killed.

A point names a request to the API server or to the cloud, and whether it is held before or after it is forwarded. The
operator is killed while it waits for the reply. Then the request is dropped, or forwarded: at once, or when the next
operator runs.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

from chaos.proxy import Matches, Moment, Reply, Request

_OBJECT: Final = re.compile(r"/imagecopies/[^/]+$")
_STATUS: Final = re.compile(r"/imagecopies/[^/]+/status$")
_ENDED: Final = ("Succeeded", "Failed")


class Server(Enum):
    """The server that a point's request goes to."""

    KUBE = auto()
    CLOUD = auto()
    NONE = auto()
    """No server: the operator is killed after a random pause."""


class After(Enum):
    """What becomes of the held request after the kill."""

    DROPPED = auto()
    """It is dropped. If it was held after it was forwarded, only its reply is dropped."""
    FORWARDED = auto()
    """It is forwarded at once. Nobody receives the reply."""
    FORWARDED_LATE = auto()
    """It is forwarded when the next operator works."""
    FROZEN = auto()
    """The operator is stopped (SIGSTOP) before it reads the reply, and resumed after another one took over."""


class Stage(Enum):
    """The part of a round that a point is in."""

    COPY = auto()
    DELETION = auto()


class Need(Enum):
    """What a round must contain for a point to be reached."""

    FAILED_JOB = auto()
    UNKNOWN_OUTCOME = auto()
    TAGS = auto()
    LONG_COPY = auto()
    DELETE_POLICY = auto()
    IN_FLIGHT = auto()
    """An object is deleted while its copy runs."""


@dataclass(frozen=True)
class Point:
    """One row. The points of a round are reached in the order of `POINTS`."""

    name: str
    server: Server
    matches: Matches
    moment: Moment = Moment.BEFORE
    after: After = After.DROPPED
    stage: Stage = Stage.COPY
    needs: frozenset[Need] = frozenset()


def _status(request: Request) -> Mapping[str, Any]:
    """Return the change that a status write makes; empty for any other request."""
    if request.method != "PATCH" or not _STATUS.search(request.path) or not isinstance(request.json, dict):
        return {}
    change = request.json.get("status")
    return change if isinstance(change, dict) else {}


def _attempt(request: Request) -> Mapping[str, Any]:
    return _status(request).get("attempt") or {}


def status_write(request: Request, _: Reply | None) -> bool:
    """Match every write of a status."""
    return bool(_status(request))


def _intent(request: Request, _: Reply | None) -> bool:
    return bool(_attempt(request).get("token"))


def _job_id(request: Request, _: Reply | None) -> bool:
    return bool(_attempt(request).get("jobID"))


def _planned(request: Request, _: Reply | None) -> bool:
    return bool(_status(request).get("nextAttemptTime"))


def _terminal(request: Request, _: Reply | None) -> bool:
    return _status(request).get("phase") in _ENDED


def _deleting(request: Request, _: Reply | None) -> bool:
    return _status(request).get("phase") == "Deleting"


def _adopting(request: Request, _: Reply | None) -> bool:
    """Match the write that adopts a copy whose job id was lost."""
    return bool(_status(request).get("imageID")) and not _status(request).get("jobID")


def _finalizer(operation: str) -> Matches:
    def matches(request: Request, _: Reply | None) -> bool:
        if request.method != "PATCH" or not _OBJECT.search(request.path) or not isinstance(request.json, list):
            return False
        return any(op["op"] == operation and op["path"].startswith("/metadata/finalizers") for op in request.json)

    return matches


def _call(method: str, path: str) -> Matches:
    pattern = re.compile(path)

    def matches(request: Request, _: Reply | None) -> bool:
        return request.method == method and pattern.search(request.path) is not None

    return matches


def _job_failed(request: Request, reply: Reply | None) -> bool:
    if not _JOB(request, reply) or reply is None or not isinstance(reply.json, dict):
        return False
    return str(reply.json.get("status", "")).upper() in ("FAIL", "FAILED")


def _never(_request: Request, _reply: Reply | None) -> bool:
    return False


COPY: Final = _call("POST", r"/copy$")
_JOB: Final = _call("GET", r"/jobs?/[0-9a-f]+$")
_LIST: Final = _call("GET", r"^/v2/(cloud)?images$")
_TAGS: Final = _call("POST", r"/tags/action$")
_DELETE: Final = _call("DELETE", r"^/v2/images/")
_LOGIN: Final = _call("POST", r"/auth/tokens$")

_BEFORE, _AFTER = Moment.BEFORE, Moment.AFTER
_KUBE, _CLOUD = Server.KUBE, Server.CLOUD
_DELETION = Stage.DELETION
_UNKNOWN = frozenset({Need.UNKNOWN_OUTCOME})
_FAILED = frozenset({Need.FAILED_JOB})
_LONG = frozenset({Need.LONG_COPY})
_ALONG = frozenset({Need.DELETE_POLICY})
_IN_FLIGHT = frozenset({Need.DELETE_POLICY, Need.IN_FLIGHT, Need.LONG_COPY})

POINTS: Final = (
    Point("login", _CLOUD, _LOGIN),
    Point("finalizer-on", _KUBE, _finalizer("add"), needs=_ALONG),
    Point("finalizer-on-unheard", _KUBE, _finalizer("add"), _AFTER, needs=_ALONG),
    Point("preflight", _CLOUD, _LIST),
    Point("before-intent", _KUBE, _intent),
    Point("intent-lands", _KUBE, _intent, after=After.FORWARDED),
    Point("intent-lands-late", _KUBE, _intent, after=After.FORWARDED_LATE),
    Point("after-intent", _KUBE, _intent, _AFTER),
    Point("frozen-after-intent", _KUBE, _intent, _AFTER, After.FROZEN),
    Point("post-lost", _CLOUD, COPY),
    Point("post-lands", _CLOUD, COPY, after=After.FORWARDED),
    Point("post-lands-late", _CLOUD, COPY, after=After.FORWARDED_LATE),
    Point("post-acted-no-reply", _CLOUD, COPY, _AFTER),
    Point("frozen-in-post", _CLOUD, COPY, _AFTER, After.FROZEN),
    Point("job-id-not-written", _KUBE, _job_id),
    Point("job-id-lands-late", _KUBE, _job_id, after=After.FORWARDED_LATE),
    Point("after-job-id", _KUBE, _job_id, _AFTER),
    Point("lookup", _CLOUD, _LIST, needs=_UNKNOWN),
    Point("lookup-answered", _CLOUD, _LIST, _AFTER, needs=_UNKNOWN),
    Point("found-not-written", _KUBE, _adopting, needs=_UNKNOWN),
    Point("poll", _CLOUD, _JOB),
    Point("poll-while-running", _CLOUD, _JOB, _AFTER, needs=_LONG),
    Point("job-failed", _CLOUD, _job_failed, _AFTER, needs=_FAILED),
    Point("failure-not-written", _KUBE, _planned, needs=_FAILED),
    Point("failure-written", _KUBE, _planned, _AFTER, needs=_FAILED),
    Point("before-tags", _CLOUD, _TAGS, needs=frozenset({Need.TAGS})),
    Point("tags-set", _CLOUD, _TAGS, _AFTER, needs=frozenset({Need.TAGS})),
    Point("before-terminal", _KUBE, _terminal),
    Point("terminal-lands-late", _KUBE, _terminal, after=After.FORWARDED_LATE),
    Point("terminal-unheard", _KUBE, _terminal, _AFTER),
    Point("random", Server.NONE, _never),
    Point("deleted-while-away", Server.NONE, _never, stage=_DELETION),
    Point("deletion-in-flight", _CLOUD, _JOB, stage=_DELETION, needs=_IN_FLIGHT),
    Point("deletion-not-told", _KUBE, _deleting, stage=_DELETION, needs=_ALONG),
    Point("deletion-told", _KUBE, _deleting, _AFTER, stage=_DELETION, needs=_ALONG),
    Point("image-delete-lost", _CLOUD, _DELETE, stage=_DELETION, needs=_ALONG),
    Point("image-delete-no-reply", _CLOUD, _DELETE, _AFTER, stage=_DELETION, needs=_ALONG),
    Point("deletion-looks-back", _CLOUD, _LIST, _AFTER, stage=_DELETION, needs=_ALONG),
    Point("last-finalizer-off", _KUBE, _finalizer("remove"), stage=_DELETION, needs=_ALONG),
    Point("last-finalizer-unheard", _KUBE, _finalizer("remove"), _AFTER, stage=_DELETION, needs=_ALONG),
    Point("random-in-deletion", Server.NONE, _never, stage=_DELETION, needs=_ALONG),
)

BY_NAME: Final = {point.name: point for point in POINTS}
ORDER: Final = {point.name: place for place, point in enumerate(POINTS)}
