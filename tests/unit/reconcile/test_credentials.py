import base64

import pytest

from imagecopy.ims import PasswordCredentials
from imagecopy.reconcile.credentials import BadSecret, Login, read_login

PASSWORD = "correct-horse-battery"
WHERE = "imagecopy-system/otc"


def encoded(**texts: str) -> dict[str, str]:
    told = {"username": "bot", "password": PASSWORD, "domainName": "OTC-1", "projectName": "eu-de"} | texts
    return {key: base64.b64encode(text.encode()).decode() for key, text in told.items()}


def login_of(data: dict[str, str], project_id: str | None = None, region: str | None = None) -> Login:
    return read_login(WHERE, data, project_id=project_id, region=region)


def credentials_of(
    data: dict[str, str], project_id: str | None = None, region: str | None = None
) -> PasswordCredentials:
    return login_of(data, project_id, region).credentials


def test_a_complete_secret_is_a_login() -> None:
    login = credentials_of(encoded())
    assert (login.username, login.password, login.domain_name) == ("bot", PASSWORD, "OTC-1")
    assert (login.project_name, login.project_id) == ("eu-de", None)


def test_the_providers_project_stands_in_for_the_secrets() -> None:
    data = encoded()
    del data["projectName"]
    assert credentials_of(data, "p" * 32).project_id == "p" * 32
    assert credentials_of(data, region="eu-de").project_name is None
    with pytest.raises(BadSecret, match=f"Secret {WHERE} lacks projectName: add it, or set projectID or region"):
        credentials_of(data)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n"])
def test_a_line_break_at_the_end_is_left_out_and_told(end: str) -> None:
    """``echo password | base64`` puts one there; a login with it fails, and five of those lock the account."""
    login = login_of(encoded(password=PASSWORD + end))
    assert login.credentials.password == PASSWORD
    assert [f"key password of Secret {WHERE}" in warning for warning in login.warnings] == [True]
    assert PASSWORD not in login.warnings[0]


def test_blanks_belong_to_a_password() -> None:
    assert credentials_of(encoded(password=" x ")).password == " x "


@pytest.mark.parametrize("key", ["username", "password", "domainName"])
@pytest.mark.parametrize("value", [None, "", "\n"], ids=["absent", "empty", "blank line"])
def test_a_key_that_is_missing_is_named(key: str, value: str | None) -> None:
    data = encoded() if value is None else encoded(**{key: value})
    if value is None:
        del data[key]
    with pytest.raises(BadSecret, match=f"{WHERE} lacks {key}; it needs the keys username, password, domainName"):
        credentials_of(data)


def test_all_keys_that_are_missing_are_named() -> None:
    with pytest.raises(BadSecret, match="lacks username and password and domainName"):
        credentials_of({})


@pytest.mark.parametrize("content", ["not base64!", "YWJj=ZA", "abc", "/w==", "ä"])
def test_a_key_that_is_no_text_is_named_without_its_content(content: str) -> None:
    with pytest.raises(BadSecret) as caught:
        credentials_of(encoded() | {"password": content})
    assert str(caught.value) == f"key password of Secret {WHERE} is not UTF-8 text: store it anew"
    assert caught.value.__cause__ is None
