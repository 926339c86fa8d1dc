"""Rows: what becomes of the copy when its ImageCopy is deleted."""

from dataclasses import dataclass, field, replace

from imagecopy.api.conditions import Reason
from imagecopy.api.imagecopy import AttemptOutcome, ImageCopySpec, Phase
from imagecopy.flow.deletion import DeletionRequested, Observation, decide_deletion
from imagecopy.flow.observation import (
    Cause,
    ImageState,
    JobState,
    NothingObserved,
    TargetObserved,
    TargetsObserved,
    Trouble,
)
from imagecopy.flow.view import Need, View
from unit.flow.builders import (
    ABSENT,
    FOREIGN,
    JOB,
    TARGET,
    accepted,
    asked,
    at,
    copying,
    done,
    edited,
    failed,
    failed_job,
    image,
    intended,
    looked_for,
    new,
    rejected,
    remembering,
    running,
    spec,
    succeeded_job,
    then,
    trouble,
    troubled_since,
    unknown,
)

HINT = "; to delete the object and keep the image, set spec.deletionPolicy to Retain"
DELETES: ImageCopySpec = spec(deletionPolicy="Delete")
RETAINS: ImageCopySpec = spec(deletionPolicy="Retain")
_ENDED = "attempts.-1.outcome"
_NOW = 700


@dataclass(frozen=True)
class DeletionRow:
    """One line of the table; ``again`` None: the object is let go."""

    id: str
    view: View
    seen: Observation
    need: Need | None = None
    """What is looked at before; None for what an act or a POST brought."""
    again: tuple[float, float] | None = None
    reason: Reason | None = None
    """The reason that is told; None: the status is left as it was."""
    says: str = ""
    deletes: bool = False
    events: tuple[str, ...] = ()
    fields: dict[str, object] = field(default_factory=dict)

    @property
    def phase(self) -> Phase | None:
        """The phase that is told."""
        return self.view.status.phase if self.reason is None else Phase.DELETING


def told(view: View, seen: Observation, seconds: float = _NOW) -> View:
    """The view after a step of its deletion was stored."""
    return replace(view, status=decide_deletion(view, seen, at(seconds)).status)


_UNKNOWN = then(intended(DELETES), unknown(intended()), 30)
_FOLLOWED = then(_UNKNOWN, TargetsObserved((image(ImageState.PENDING),)), 40)
_MADE = told(copying(DELETES), succeeded_job())
_GOING = remembering(told(done(DELETES), TargetObserved(image())), deletion_requested_for=5.0)
_STUBBORN = remembering(_GOING, deletion_requested_for=60.0)
_BLOCKED = told(_STUBBORN, TargetObserved(image()))
_OLD = then(copying(DELETES), succeeded_job(), 400)
"""Finished 300 s ago."""
_REFUSAL = Trouble(Cause.REFUSED, "the image is protected", "IMG.0089")
_IN_TROUBLE = told(done(DELETES), _REFUSAL)

RETAINED = tuple(
    DeletionRow(f"Retain lets go of {what}", edited(view, RETAINS), NothingObserved(), Need.NOTHING)
    for what, view in {
        "what was never begun": new(),
        "an attempt that nobody knows of": _UNKNOWN,
        "a running job": copying(),
        "an image that is still made": _FOLLOWED,
        "a copy that is done": done(),
        "a copy that failed": failed(),
        "a copy whose deletion is blocked": _BLOCKED,
        "a copy that is being deleted": _GOING,
    }.items()
)

WAITS = (
    DeletionRow(
        "a running job is waited for", copying(DELETES), running(0.5), Need.JOB,
        again=(2, 120), reason=Reason.DELETING, says="can't be cancelled", fields={"attempt.jobID": JOB},
    ),
    DeletionRow(
        "a job that the cloud took just now is waited for", intended(DELETES), accepted(intended()),
        again=(2, 2), reason=Reason.DELETING, fields={"jobID": JOB, "attempt.jobID": JOB},
    ),
    DeletionRow(
        "a copy call without a known outcome is looked up", intended(DELETES), unknown(intended()),
        again=(2, 2), reason=Reason.DELETING, fields={"attempts": ABSENT},
    ),
    DeletionRow(
        "a job that succeeded is followed by its image", copying(DELETES), succeeded_job(), Need.JOB,
        again=(0, 0), reason=Reason.DELETING, fields={"imageID": TARGET, _ENDED: AttemptOutcome.SUCCEEDED},
    ),
    DeletionRow(
        "an image that is still made is waited for", _FOLLOWED, TargetObserved(image(ImageState.PENDING)), Need.TARGET,
        again=(5, 5), reason=Reason.DELETING, says="still being made",
    ),
    DeletionRow(
        "an unknown outcome is looked for through the settle window", looked_for(_UNKNOWN, 299), TargetsObserved(()),
        Need.TARGETS, again=(5, 5), reason=Reason.DELETING, fields={"attempts": ABSENT},
    ),
    DeletionRow(
        "a forgotten job is looked for through the settle window", looked_for(copying(DELETES), 10),
        TargetsObserved(()), Need.JOB, again=(5, 5), reason=Reason.DELETING,
    ),
    DeletionRow(
        "an image that its job has just made and no list shows is waited for", looked_for(_MADE, 10),
        TargetObserved(image(ImageState.ABSENT)), Need.TARGET, again=(5, 5), reason=Reason.DELETING, says="not listed",
    ),
    DeletionRow(
        "a finished image that no list shows yet is waited for", looked_for(done(DELETES), 10),
        TargetObserved(image(ImageState.ABSENT)), Need.TARGET, again=(5, 5), reason=Reason.DELETING, says="not listed",
    ),
    DeletionRow(
        "a followed image that no list shows is waited for", looked_for(_FOLLOWED, 10),
        TargetObserved(image(ImageState.ABSENT)), Need.TARGET, again=(5, 5), reason=Reason.DELETING,
    ),
    DeletionRow(
        "an image that is being deleted is looked at soon", done(DELETES), DeletionRequested(TARGET),
        again=(2, 2), reason=Reason.DELETING,
    ),
    DeletionRow(
        "an image that the cloud agreed to delete is not asked for again at once", _GOING, TargetObserved(image()),
        Need.TARGET, again=(2, 2), reason=Reason.DELETING,
    ),
)  # fmt: skip

DELETED = (
    DeletionRow("our image is deleted", done(DELETES), TargetObserved(image()), Need.TARGET,
                again=(0, 0), reason=Reason.DELETING, deletes=True),
    DeletionRow("an image that turned up by its marker is deleted", looked_for(_UNKNOWN, 10),
                TargetsObserved((image(ImageState.DEAD, id="x"), image())), Need.TARGETS,
                again=(0, 0), reason=Reason.DELETING, deletes=True, fields={"imageID": TARGET}),
    DeletionRow("an image that turned up and is still made is waited for", looked_for(_UNKNOWN, 10),
                TargetsObserved((image(ImageState.PENDING),)), Need.TARGETS,
                again=(5, 5), reason=Reason.DELETING, fields={"imageID": TARGET}),
    DeletionRow("the copy of an attempt past its deadline is waited for, too",
                then(copying(DELETES), running(0.5), 7200), running(0.9), Need.JOB,
                again=(2, 120), reason=Reason.DELETING),
)  # fmt: skip

LET_GO = (
    DeletionRow("what was never begun is let go", new(DELETES), NothingObserved(), Need.NOTHING),
    DeletionRow("a copy call that was rejected leaves nothing", intended(DELETES),
                rejected(intended(), Cause.THROTTLED), fields={_ENDED: AttemptOutcome.REJECTED}),
    DeletionRow("a failed job leaves nothing", copying(DELETES), failed_job(), Need.JOB,
                fields={_ENDED: AttemptOutcome.FAILED}),
    DeletionRow("a copy that failed is let go", failed(DELETES), NothingObserved(), Need.NOTHING),
    DeletionRow("an unknown outcome that nothing came of is let go", looked_for(_UNKNOWN, 300), TargetsObserved(()),
                Need.TARGETS, events=("NothingToDelete",), fields={_ENDED: AttemptOutcome.LOST}),
    DeletionRow("a dead image of an unknown outcome is no image", looked_for(_UNKNOWN, 300),
                TargetsObserved((image(ImageState.DEAD),)), Need.TARGETS, events=("NothingToDelete",)),
    DeletionRow("an image of another owner stays", done(DELETES), TargetObserved(image(owner=FOREIGN)), Need.TARGET,
                events=("Retained",)),
    DeletionRow("an image without a marker stays", done(DELETES), TargetObserved(replace(image(), marker=None)),
                Need.TARGET, events=("Retained",)),
    DeletionRow("an image of another owner that is still made stays", _FOLLOWED,
                TargetObserved(image(ImageState.PENDING, owner=FOREIGN)), Need.TARGET, events=("Retained",)),
    *(
        DeletionRow(f"{what} image that is {state.name.lower()} is gone", view, TargetObserved(image(state)),
                    Need.TARGET, events=("Deleted",))
        for what, view in {"a deleted": _GOING, "a stubborn": _BLOCKED, "an old": _OLD}.items()
        for state in (ImageState.DEAD, ImageState.ABSENT)
    ),
    DeletionRow("an image that its job made and that never shows is let go", looked_for(_MADE, 300),
                TargetObserved(image(ImageState.ABSENT)), Need.TARGET, events=("Deleted",)),
    DeletionRow("a forgotten job's image that was deleted is gone",
                remembering(told(copying(DELETES), TargetsObserved((image(),))), deletion_requested_for=2.0),
                TargetsObserved(()), Need.JOB, events=("Deleted",)),
)  # fmt: skip


def _blocked(what: str, view: View, seen: Trouble, need: Need | None, pause: float = 5) -> DeletionRow:
    return DeletionRow(
        f"{what} blocks the deletion", view, seen, need, again=(pause, pause),
        reason=Reason.DELETION_BLOCKED, says=seen.words + HINT, events=("DeletionBlocked",),
    )  # fmt: skip


BLOCKED = (
    *(_blocked(f"{cause}", done(DELETES), trouble(cause), Need.TARGET) for cause in Cause),
    _blocked("a provider that is gone while the job runs", copying(DELETES), trouble(Cause.PROVIDER_MISSING), Need.JOB),
    _blocked("trouble while an outcome is looked up", _UNKNOWN, trouble(Cause.UNREACHABLE), Need.TARGETS),
    _blocked("an image that the cloud does not give away", _GOING, _REFUSAL, Need.TARGET),
    _blocked("trouble that lasts", troubled_since(done(DELETES), 600), _REFUSAL, Need.TARGET, pause=50),
    DeletionRow(
        "a deletion that stays blocked is tried less often, and told once", troubled_since(_IN_TROUBLE, 0),
        _REFUSAL, Need.TARGET, again=(120, 120), reason=Reason.DELETION_BLOCKED, says=HINT,
    ),
    DeletionRow(
        "a blocked deletion is asked for again, and stays told until the cloud says yes", _IN_TROUBLE,
        TargetObserved(image()), Need.TARGET, again=(0, 0), reason=Reason.DELETION_BLOCKED, deletes=True,
    ),
    DeletionRow(
        "a deletion that is free again goes on", _IN_TROUBLE, DeletionRequested(TARGET),
        again=(2, 2), reason=Reason.DELETING,
    ),
    DeletionRow(
        "an image that stays though its deletion was accepted is reported, and requested again", _STUBBORN,
        TargetObserved(image()), Need.TARGET, again=(0, 120), reason=Reason.DELETION_BLOCKED, says="still exists",
        deletes=True, events=("DeletionBlocked",),
    ),
    DeletionRow(
        "an image that stays is reported once, and its deletion requested again",
        remembering(_BLOCKED, deletion_requested_for=200.0),
        TargetObserved(image()), Need.TARGET, again=(0, 120), reason=Reason.DELETION_BLOCKED, deletes=True,
    ),
    DeletionRow(
        "what was told of a stubborn image stays when the cloud says yes again",
        remembering(_BLOCKED, deletion_requested_for=200.0), DeletionRequested(TARGET),
        again=(100, 100), reason=Reason.DELETION_BLOCKED, says="still exists",
    ),
    DeletionRow(
        "a retry that was asked for changes nothing about a deletion", asked(done(DELETES), "a"),
        TargetObserved(image()), Need.TARGET, again=(0, 0), reason=Reason.DELETING, deletes=True,
    ),
)  # fmt: skip

ROWS: tuple[DeletionRow, ...] = (*RETAINED, *WAITS, *DELETED, *LET_GO, *BLOCKED)
JOB_STATES = {row.seen.state for row in ROWS if hasattr(row.seen, "state") and isinstance(row.seen.state, JobState)}
