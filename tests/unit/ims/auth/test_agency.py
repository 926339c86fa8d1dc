"""The ways in by an agency: what is asked for, and what is said when it is not given."""

import json
from typing import Any

import httpx
import pytest

from imagecopy.ims import AgencyCredentials, CredentialsInvalid, ImsError, Misconfigured, TryLater
from unit.ims.auth.login_cloud import BY_KEY, BY_PASSWORD, KEYS, TOKENS, Answer, LoginCloud, agency_of, refused
from unit.ims.cloud import PROJECT

BY_PASSWORD_FIRST, BY_KEY_FIRST = agency_of(BY_PASSWORD), agency_of(BY_KEY)
both = pytest.mark.parametrize(
    ("credentials", "path"), [(BY_PASSWORD_FIRST, TOKENS), (BY_KEY_FIRST, KEYS)], ids=["password", "key"]
)


def body(request: httpx.Request) -> Any:
    return json.loads(request.content)["auth"]


def is_agency(request: httpx.Request) -> bool:
    return b"assume_role" in request.content


def on_agency(login_cloud: LoginCloud, path: str, *answers: Answer) -> None:
    """Answer requests for the agency with these, the last one for ever."""
    left = list(answers)

    def answer(request: httpx.Request) -> Answer:
        if not is_agency(request):
            return login_cloud.usual_answer(request)
        return left.pop(0) if len(left) > 1 else left[0]

    login_cloud.answers[path] = answer


async def test_a_password_takes_on_an_agency_by_token(login_cloud: LoginCloud) -> None:
    async with login_cloud.client(BY_PASSWORD_FIRST) as client:
        await client.get_image("i")
    login, agency, image = login_cloud.requests
    assert (login.method, login.url.path) == ("POST", TOKENS)
    assert body(login)["identity"]["methods"] == ["password"]
    assert body(login)["scope"] == {"domain": {"name": "OTC-1"}}
    assert (agency.method, agency.url.path) == ("POST", TOKENS)
    assert agency.headers["x-auth-token"] == "token-1-never-to-be-seen"
    assert body(agency) == {
        "identity": {
            "methods": ["assume_role"],
            "assume_role": {"domain_name": "OTC-2", "agency_name": "copier"},
        },
        "scope": {"project": {"name": "eu-de"}},
    }
    assert image.headers["x-auth-token"] == "token-2-never-to-be-seen"


async def test_an_access_key_takes_on_an_agency_by_temporary_keys(login_cloud: LoginCloud) -> None:
    async with login_cloud.client(BY_KEY_FIRST) as client:
        await client.get_image("i")
    agency, project, image = login_cloud.requests
    assert (agency.method, agency.url.path) == ("POST", KEYS)
    assert "Access=AKPERMANENT," in agency.headers["authorization"]
    assert "x-project-id" not in agency.headers
    assert body(agency) == {
        "identity": {
            "methods": ["assume_role"],
            "assume_role": {"domain_name": "OTC-2", "agency_name": "copier", "duration_seconds": 21600},
        }
    }
    for request in (project, image):
        assert "Access=AKTEMPORARY1," in request.headers["authorization"]
        assert request.headers["x-security-token"] == "security-token-1-never-to-be-seen"
    assert image.headers["x-project-id"] == PROJECT


@both
async def test_the_older_name_is_tried_after_a_bad_request_and_kept(
    login_cloud: LoginCloud, credentials: AgencyCredentials, path: str
) -> None:
    def only_old(request: httpx.Request) -> Answer:
        if is_agency(request) and b"xrole_name" not in request.content:
            return httpx.Response(400, json={"error": {"message": "xrole_name missing", "code": 400}})
        return login_cloud.usual_answer(request)

    login_cloud.answers[path] = only_old
    async with login_cloud.client(credentials) as client:
        await client.get_image("i")
        login_cloud.clock.now += 24 * 3600
        await client.get_image("i")
    names = [
        {"agency_name", "xrole_name"} & set(body(request)["identity"]["assume_role"])
        for request in login_cloud.to(path)
        if is_agency(request)
    ]
    assert names == [{"agency_name"}, {"xrole_name"}, {"xrole_name"}]


@both
@pytest.mark.parametrize(
    ("answer", "kind", "words", "asked"),
    [
        (httpx.Response(403, json={"error": {"message": "No.", "code": 403}}), CredentialsInvalid, "Agent Operator", 1),
        (httpx.Response(404, json={"error": {"message": "No.", "code": 404}}), Misconfigured, "agencyDomainName", 1),
        (httpx.Response(400, json={"error": {"message": "No.", "code": 400}}), Misconfigured, "agencyDomainName", 2),
        (httpx.Response(500), TryLater, ".", 1),
        (httpx.Response(201, json={}), TryLater, "the reply has no", 1),
        (httpx.Response(201, text="<html>"), TryLater, "the reply is no JSON", 1),
    ],
)
async def test_an_agency_that_is_not_given_is_told(
    login_cloud: LoginCloud,
    credentials: AgencyCredentials,
    path: str,
    answer: Answer,
    kind: type[ImsError],
    words: str,
    asked: int,
) -> None:
    on_agency(login_cloud, path, answer)
    await login_cloud.failure(credentials, kind, words)
    assert sum(map(is_agency, login_cloud.requests)) == asked
    assert login_cloud.to("ims") == []


async def test_a_token_that_ended_meanwhile_is_renewed_for_the_agency(login_cloud: LoginCloud) -> None:
    async with login_cloud.client(BY_PASSWORD_FIRST) as client:
        await client.get_image("i")
        on_agency(
            login_cloud, TOKENS, refused("The token must be updated."), login_cloud.give_token(login_cloud.requests[1])
        )
        login_cloud.tokens.clear()
        login_cloud.tokens.add(f"token-{login_cloud.given}-never-to-be-seen")
        await client.get_image("i")
    passwords = [request for request in login_cloud.to(TOKENS) if not is_agency(request)]
    assert len(passwords) == 2


async def test_an_agency_that_is_refused_does_not_make_logins(login_cloud: LoginCloud) -> None:
    """The password was right: it is not tried again only because the agency was wrong."""
    forbidden = httpx.Response(403, json={"error": {"message": "No.", "code": 403}})
    on_agency(login_cloud, TOKENS, forbidden)
    async with login_cloud.client(BY_PASSWORD_FIRST) as client:
        for pause in (60, 120, 240):
            with pytest.raises(CredentialsInvalid) as caught:
                await client.get_image("i")
            assert caught.value.retry_after == pause
            login_cloud.clock.now += pause
    passwords = [request for request in login_cloud.to(TOKENS) if not is_agency(request)]
    assert len(passwords) == 1


async def test_the_same_wrong_password_with_and_without_an_agency_is_one_try(login_cloud: LoginCloud) -> None:
    login_cloud.answers[TOKENS] = lambda _: refused("Not you.")
    for credentials in (BY_PASSWORD, BY_PASSWORD_FIRST):
        async with login_cloud.client(credentials) as client:
            with pytest.raises(CredentialsInvalid, match=r"Not you\."):
                await client.get_image("i")
    assert len(login_cloud.requests) == 1


async def test_the_same_wrong_key_with_and_without_an_agency_is_one_try(login_cloud: LoginCloud) -> None:
    login_cloud.keys.clear()
    for credentials in (BY_KEY, BY_KEY_FIRST):
        async with login_cloud.client(credentials) as client:
            with pytest.raises(CredentialsInvalid, match="ak not exist"):
                await client.get_image("i")
    assert len(login_cloud.requests) == 1
