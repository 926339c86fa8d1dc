import copy
import pickle

from imagecopy.ims import ImsError, NotFound, OutcomeUnknown, SurelyNotDone, Throttled


def test_an_error_shows_code_status_and_request() -> None:
    error = Throttled("slow down", code="APIGW.0308", request_id="r1", http_status=429, retry_after=3)
    assert str(error) == "slow down (APIGW.0308, HTTP 429, request r1)"
    assert str(ImsError("just words")) == "just words"


def test_no_error_is_both_surely_not_done_and_unknown() -> None:
    assert not issubclass(OutcomeUnknown, SurelyNotDone)
    assert not issubclass(SurelyNotDone, OutcomeUnknown)


def test_errors_survive_copy_and_pickle() -> None:
    error = NotFound("gone", code="IMG.0027", http_status=400)
    for twin in (copy.copy(error), pickle.loads(pickle.dumps(error)), NotFound.like(error)):
        assert (type(twin), vars(twin)) == (NotFound, vars(error))
