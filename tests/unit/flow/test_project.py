"""Which project a copy has to stay with, and what is said where its provider leads elsewhere."""

from imagecopy.flow.project import bound_project, wrong_project
from imagecopy.flow.view import View
from unit.flow.builders import ELSEWHERE, PROJECT, failed_job, new, spec, then, trouble
from unit.flow.tables.project import COPYING, DONE, INTENDED, UNKNOWN


def test_a_copy_that_was_never_asked_for_may_be_made_anywhere() -> None:
    assert wrong_project(new(), ELSEWHERE) is None


def test_a_copy_stays_where_it_is_or_may_be() -> None:
    assert [bound_project(view.status) for view in (INTENDED, UNKNOWN, COPYING, DONE)] == [PROJECT] * 4


def test_after_a_failed_job_it_may_be_made_elsewhere() -> None:
    assert bound_project(then(COPYING, failed_job(), 100).status) is None


def test_the_same_project_behind_another_endpoint_is_no_other_project() -> None:
    assert wrong_project(COPYING, PROJECT) is None


def test_a_copy_without_a_stored_project_is_taken_as_where_its_provider_leads() -> None:
    assert wrong_project(COPYING.with_status(project_id=None), ELSEWHERE) is None


def test_the_message_names_provider_both_projects_and_what_to_do() -> None:
    view: View = then(new(spec(providerRef={"kind": "ImageProvider", "name": "team"})), trouble())
    view = view.with_status(**{name: getattr(COPYING.status, name) for name in ("attempt", "project_id")})
    wrong = wrong_project(view, ELSEWHERE)
    assert wrong is not None
    assert wrong.message == (
        f"this copy belongs to project {PROJECT}, but ImageProvider team points to project {ELSEWHERE} now: change its "
        f"projectID, endpoints or Secret back to project {PROJECT}; until then nothing is done in either project"
    )
