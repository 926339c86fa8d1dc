"""The way in by our service account's token."""

import json
from pathlib import Path

import httpx
import pytest

from imagecopy.ims import CredentialsInvalid, ImsError, Misconfigured, TryLater
from unit.ims.auth.login_cloud import ID_TOKENS, SERVICE_TOKEN, Answer, LoginCloud, oidc_of, rewrite
from unit.ims.cloud import IAM, IMS, login_reply


async def test_the_service_accounts_token_is_exchanged_for_one_of_the_project(
    login_cloud: LoginCloud, token_file: Path
) -> None:
    async with login_cloud.client(oidc_of(token_file)) as client:
        await client.get_image("i")
    login, image = login_cloud.requests
    assert (login.method, str(login.url)) == ("POST", IAM + ID_TOKENS)
    assert login.headers["x-idp-id"] == "cce-prod"
    assert json.loads(login.content) == {
        "auth": {"id_token": {"id": SERVICE_TOKEN}, "scope": {"project": {"name": "eu-de"}}}
    }
    assert image.headers["x-auth-token"] == "token-1-never-to-be-seen"


async def test_the_token_is_read_anew_for_each_login(login_cloud: LoginCloud, token_file: Path) -> None:
    async with login_cloud.client(oidc_of(token_file)) as client:
        await client.get_image("i")
        rewrite(token_file, "rotated\n")
        await client.get_image("i")
        login_cloud.clock.now += 24 * 3600
        await client.get_image("i")
    sent = [json.loads(login.content)["auth"]["id_token"]["id"] for login in login_cloud.to(ID_TOKENS)]
    assert sent == [SERVICE_TOKEN, "rotated"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "No such file or directory"),
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"a b", "has no token in it"),
        (b"a\x00b", "has no token in it"),
        (b"\xff\xfe", "has no token in it"),
        (b"x" * 70_000, "has more than 65536 bytes"),
    ],
)
async def test_a_file_without_a_token_is_named_with_its_setting(
    login_cloud: LoginCloud, token_file: Path, content: bytes | None, words: str
) -> None:
    rewrite(token_file, content)
    async with login_cloud.client(oidc_of(token_file)) as client:
        with pytest.raises(Misconfigured) as caught:
            await client.get_image("i")
    message = caught.value.message
    assert message.startswith(f"the operator has no identity token: {token_file}")
    assert words in message
    assert "IMAGECOPY_IDENTITY_TOKEN_FILE" in message
    assert login_cloud.requests == []


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (httpx.Response(401, json={"error": {"message": "No.", "code": 401}}), CredentialsInvalid, "keys and issuer"),
        (httpx.Response(403, json={"error": {"message": "No.", "code": 403}}), CredentialsInvalid, "keys and issuer"),
        (httpx.Response(404, json={"error": {"message": "No.", "code": 404}}), Misconfigured, "Check identityProvid"),
        (httpx.Response(400, json={"error": {"message": "No.", "code": 400}}), Misconfigured, r"projectName \(eu-de"),
        (httpx.Response(201, json={"token": {}}, headers={"X-Subject-Token": "t"}), Misconfigured, "not for a project"),
        (httpx.Response(201, json={"token": {}}), TryLater, "the reply has no token"),
    ],
)
async def test_a_login_that_is_not_given_is_told(
    login_cloud: LoginCloud, token_file: Path, answer: Answer, kind: type[ImsError], words: str
) -> None:
    login_cloud.answers[ID_TOKENS] = lambda _: answer
    await login_cloud.failure(oidc_of(token_file), kind, words)


async def test_the_catalogue_names_the_endpoint(login_cloud: LoginCloud, token_file: Path) -> None:
    login_cloud.answers[ID_TOKENS] = lambda _: login_reply()
    assert (await login_cloud.auth(oidc_of(token_file)).session()).ims_endpoint == IMS
