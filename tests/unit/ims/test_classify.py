"""What a reply that is no success lets us conclude."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagecopy.ims import (
    Call,
    CredentialsInvalid,
    ImsError,
    JobNotFound,
    Misconfigured,
    NotFound,
    NotReady,
    OutcomeUnknown,
    PermissionDenied,
    QuotaExceeded,
    Refused,
    SurelyNotDone,
    Throttled,
    TryLater,
    Unreachable,
    class_of_code,
    classify,
)
from imagecopy.ims.classify import GATEWAY_CODES, IMG_CODES

ROWS: dict[type[ImsError], str] = {
    Refused: """0001 0002 0003 0004 0007 0009 0013 0017 0024 0028 0035 0047 0054 0059 0062 0083 0089 0091 0092 0094
        0095 0096 0097 0099 0100 0101 0102 0103 0105 0106 0115 0116 0118 0130 0155 0167 0196 0197""",
    NotFound: "0027 0031 0066 0086 0121 0144",
    NotReady: "0046 0090 0148",
    Throttled: "0060 0187",
    QuotaExceeded: "0015",
    PermissionDenied: "0026 0238 0239 0241 0242",
    Misconfigured: "0030 0067 0087",
    OutcomeUnknown: "0014 0018 0023 0061 0154 0156",
}
CODES = [(f"IMG.{number}", kind) for kind, numbers in ROWS.items() for number in numbers.split()]

GATEWAY_ROWS = [
    (404, "0101", Misconfigured),
    (401, "0301", CredentialsInvalid),
    (401, "0303", CredentialsInvalid),
    (401, "0305", CredentialsInvalid),
    (401, "0307", CredentialsInvalid),
    (403, "0302", PermissionDenied),
    (403, "0304", PermissionDenied),
    (403, "0306", PermissionDenied),
    (403, "0310", PermissionDenied),
    (403, "0401", PermissionDenied),
    (403, "0402", PermissionDenied),
    (403, "0801", PermissionDenied),
    (403, "0802", PermissionDenied),
    (429, "0308", Throttled),
    (413, "0201", Refused),
    (414, "0202", Refused),
    (500, "0601", OutcomeUnknown),
    (500, "0605", OutcomeUnknown),
    (500, "0606", OutcomeUnknown),
    (502, "0201", OutcomeUnknown),
    (502, "0610", OutcomeUnknown),
    (503, "0613", OutcomeUnknown),
    (504, "0201", OutcomeUnknown),
]

STATUS_ROWS = [
    (301, OutcomeUnknown),
    (302, OutcomeUnknown),
    (303, OutcomeUnknown),
    (307, Misconfigured),
    (308, Misconfigured),
    (400, Refused),
    (401, CredentialsInvalid),
    (402, PermissionDenied),
    (403, PermissionDenied),
    (404, NotFound),
    (405, Refused),
    (406, Refused),
    (407, Unreachable),
    (408, OutcomeUnknown),
    (409, TryLater),
    (413, Refused),
    (414, Refused),
    (423, TryLater),
    (425, TryLater),
    (429, Throttled),
    (431, Refused),
    (494, Refused),
    (499, OutcomeUnknown),
    *((status, OutcomeUnknown) for status in (100, 200, 204, 500, 501, 502, 503, 504, 505, 520, 599, 999)),
]


def error_of(body: object, status: int = 400, call: Call = Call.COPY_IMAGE, **headers: str) -> ImsError:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return classify(call, status, {key.replace("_", "-"): value for key, value in headers.items()}, raw)


@pytest.mark.parametrize(("code", "kind"), CODES)
def test_each_img_code_has_its_class(code: str, kind: type[ImsError]) -> None:
    found = error_of({"error": {"message": "The words.", "code": code}})
    assert type(found) is kind
    assert (found.code, found.message, found.http_status) == (code, "The words.", 400)
    assert class_of_code(code) is kind


def test_no_code_of_the_table_is_without_a_test() -> None:
    assert {code for code, _ in CODES} == {f"IMG.{number}" for number in IMG_CODES}
    assert set(GATEWAY_CODES) <= {code for _, code, _ in GATEWAY_ROWS}


@pytest.mark.parametrize("prefix", ["APIGW", "APIG"])
@pytest.mark.parametrize(("status", "number", "kind"), GATEWAY_ROWS)
def test_each_gateway_code_has_its_class(prefix: str, status: int, number: str, kind: type[ImsError]) -> None:
    found = error_of({"error_msg": "Words.", "error_code": f"{prefix}.{number}", "request_id": "r1"}, status=status)
    assert type(found) is kind
    assert (found.code, found.request_id) == (f"{prefix}.{number}", "r1")


@pytest.mark.parametrize("body", [b"", b"<html><h1>Bad</h1></html>", b"{}", b"[]", b'{"error": {"code": 7}}'])
@pytest.mark.parametrize(("status", "kind"), STATUS_ROWS)
def test_without_a_code_the_status_decides(status: int, kind: type[ImsError], body: bytes) -> None:
    assert type(error_of(body, status=status)) is kind


def test_a_permission_code_means_the_same_in_either_status() -> None:
    body = {"error": {"message": "m", "code": "IMG.0026"}}
    assert [type(error_of(body, status=status)) for status in (400, 403)] == [PermissionDenied] * 2


@pytest.mark.parametrize("code", ["IMG.0130", "IMG.0015", "APIGW.0308", "IMG.0027"])
def test_a_server_error_is_unknown_whatever_its_body_says(code: str) -> None:
    assert type(error_of({"error_msg": "m", "error_code": code}, status=500)) is OutcomeUnknown


def test_a_code_nobody_told_us_about_takes_the_class_of_the_status() -> None:
    found = error_of({"error": {"message": "m", "code": "IMG.9999"}})
    assert (type(found), found.code) == (Refused, "IMG.9999")
    assert class_of_code("IMG.9999") is None
    assert class_of_code("Ecs.0001") is None
    assert class_of_code(None) is None


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ({"error": {"message": "The imagetype is invalid.", "code": "IMG.0024"}}, "IMG.0024", "The imagetype"),
        ({"error_msg": "Bad token", "error_code": "APIGW.0301", "request_id": "r"}, "APIGW.0301", "Bad token"),
        ({"errorMsg": "Older", "errorCode": "IMG.0001"}, "IMG.0001", "Older"),
        ({"error": {"message": "No image", "code": 404, "title": "Not Found"}}, None, "No image"),
        ({"error": {"message": "No image", "code": "404"}}, None, "No image"),
        ({"message": "flat", "code": "IMG.0001"}, "IMG.0001", "flat"),
        ({"a": {"b": [{"message": "deep", "code": "IMG.0002"}]}}, "IMG.0002", "deep"),
        ({"error": {"code": "IMG.0003", "message": None}, "message": "outer"}, None, "outer"),
        ("only text", None, "only text"),
        (b"<html><head><title>404</title></head><body>Not <b>found</b></body></html>", None, "404 Not found"),
        (b"plain", None, "plain"),
        (b"\xff\xfe\x00", None, "\ufffd\ufffd"),
        (b"", None, "the cloud answered with status 400 and no words"),
    ],
)
def test_the_clouds_words_are_found_in_every_shape(body: object, code: str | None, message: str) -> None:
    found = error_of(body)
    assert found.code == code
    assert found.message.startswith(message)


def test_words_are_bounded_and_on_one_line() -> None:
    found = error_of({"error": {"message": "a\r\nb\x00c\u2028" + "x" * 5000, "code": "IMG.0001"}})
    assert found.message.startswith("a b c x")
    assert len(found.message) == 1000


def test_an_echoed_request_is_not_repeated() -> None:
    echo = "verify aksk signature fail, canonicalRequest:GET|/v1|x-security-token:SECRET1|X-Auth-Token: SECRET2|h"
    found = error_of({"error_msg": echo, "error_code": "APIGW.0301"}, status=401)
    assert "SECRET" not in str(found)
    assert found.message == "verify aksk signature fail (the rest repeats the request)"


def test_an_echoed_token_is_not_repeated() -> None:
    echo = "not allowed: GET|/v1|x-security-token:SECRET1|X-Auth-Token: SECRET2|h"
    found = error_of({"error_msg": echo, "error_code": "APIGW.0301"}, status=401)
    assert found.message == "not allowed: GET|/v1|x-security-token:***|X-Auth-Token: ***|h"


def test_a_hostile_page_takes_no_time() -> None:
    assert len(error_of(b"<script " * 200_000).message) <= 1000
    assert len(error_of(b"[" * 1_000_000).message) <= 1000


@pytest.mark.parametrize("header", ["x-request-id", "x-iam-trace-id", "x-openstack-request-id"])
def test_the_request_id_is_found_in_each_header(header: str) -> None:
    found = classify(Call.GET_IMAGE, 400, {header: "req-1"}, b"{}")
    assert found.request_id == "req-1"
    assert "req-1" in str(found)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("7", 7.0), (" 0 ", 0.0), ("999999999", 86400.0), ("-1", None), ("soon", None), ("", None), ("1.5", None)],
)
def test_retry_after_in_seconds(value: str, seconds: float | None) -> None:
    assert error_of({}, status=429, retry_after=value).retry_after == seconds


def test_retry_after_as_a_date_is_counted_by_the_servers_clock() -> None:
    now = datetime(2020, 1, 1, tzinfo=UTC)
    then = format_datetime(now + timedelta(seconds=90), usegmt=True)
    assert error_of({}, status=429, retry_after=then, date=format_datetime(now, usegmt=True)).retry_after == 90
    assert error_of({}, status=429, retry_after=then).retry_after == 0


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Misconfigured),
        (401, CredentialsInvalid),
        (403, CredentialsInvalid),
        (404, Misconfigured),
        (302, TryLater),
        (429, Throttled),
        (500, TryLater),
        (503, TryLater),
        (504, TryLater),
    ],
)
def test_trouble_with_the_login_never_leaves_a_copy_in_doubt(status: int, kind: type[ImsError]) -> None:
    found = error_of({"error": {"message": "m", "code": status}}, status=status, call=Call.LOGIN)
    assert type(found) is kind
    assert isinstance(found, SurelyNotDone)


def test_an_unknown_job_is_told_from_an_unknown_image() -> None:
    for status, body, may_pass in (
        (404, {}, False),
        (400, {"error": {"message": "m", "code": "IMG.0027"}}, False),
        (400, {"error": {"message": "m", "code": "IMG.0023"}}, True),
    ):
        found = error_of(body, status=status, call=Call.GET_JOB)
        assert isinstance(found, JobNotFound)
        assert found.may_pass is may_pass


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(["error", "error_code", "error_msg", "code", "message", "request_id"]) | st.text(),
            inner,
        )
    ),
    max_leaves=20,
)


@given(
    st.sampled_from(Call),
    st.integers(100, 999),
    st.dictionaries(st.sampled_from(["retry-after", "x-request-id", "date"]), st.text()),
    st.binary() | json_values.map(lambda value: json.dumps(value).encode()),
)
def test_nothing_a_server_can_say_makes_classify_raise(
    call: Call, status: int, headers: dict[str, str], body: bytes
) -> None:
    found = classify(call, status, headers, body)
    assert isinstance(found, ImsError)
    assert found.message.isprintable() or found.message
    str(found).encode()


@pytest.mark.parametrize(
    "echo",
    [
        "{'x-auth-token': 'SECRET1', 'x-security-token': 'SECRET2'}",
        '{"access": "A", "secret": "SECRET1", "securitytoken": "SECRET2"',
        '{"accessKeyId": "A", "secretAccessKey":"SECRET1", "securityToken" : "SECRET2"',
        '{\\"password\\": \\"SECRET1\\", \\"secret_access_key\\": \\"SECRET2\\"}',
    ],
)
def test_what_names_itself_a_secret_is_not_repeated(echo: str) -> None:
    for body in (echo.encode(), {"error_msg": echo, "error_code": "APIGW.0301"}):
        found = error_of(body, status=401)
        assert "SECRET" not in found.message
        assert found.message.count("***") == 2


def test_words_about_a_password_stay() -> None:
    words = 'Wrong password: the password must be "good", secret=yes'
    assert error_of({"error_msg": words, "error_code": "APIGW.0301"}).message == words
