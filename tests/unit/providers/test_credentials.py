"""The login that a Secret has, and the message about one that can't work."""

import base64
import itertools

import pytest

from imagecopy import ims
from imagecopy.api.ambient import Ambient, AmbientCredentials
from imagecopy.api.provider import ProviderKind
from imagecopy.ims import ProjectRef
from imagecopy.providers.credentials import BadSecret, Login, read_login

PASSWORD = "correct-horse-battery"
SECRET_KEY = "MFyfvK41ba2giqM7Uio6PznpdUKGpownRZlmVmHc"
WHERE = "imagecopy-system/otc"

BY_PASSWORD = {"username": "bot", "password": PASSWORD, "domainName": "OTC-1"}
BY_KEY = {"accessKeyID": "QTWAOYTTINDUT2QVKYUC", "secretAccessKey": SECRET_KEY}
BY_TEMPORARY_KEY = {**BY_KEY, "securityToken": "ggpjbi1ub3J0aC00"}
AGENCY = {"agencyName": "copier", "agencyDomainName": "OTC-2"}
NODE = {"credentialSource": "NodeAgency"}
POD = {"credentialSource": "PodIdentity"}
OIDC = {"identityProviderID": "cce-prod"}
PROJECT = {"projectName": "eu-de"}

PASSWORD_LOGIN = ims.PasswordCredentials(username="bot", password=PASSWORD, domain_name="OTC-1")
KEY_LOGIN = ims.AccessKeyCredentials(access_key_id="QTWAOYTTINDUT2QVKYUC", secret_access_key=SECRET_KEY)


def encoded(texts: dict[str, str]) -> dict[str, str]:
    return {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}


def login_of(texts: dict[str, str], *, project_id: str | None = None, region: str | None = "eu-de") -> Login:
    return read_login(WHERE, encoded(texts), project_id=project_id, region=region)


def message_of(texts: dict[str, str], *, region: str | None = "eu-de") -> str:
    with pytest.raises(BadSecret) as caught:
        login_of(texts, region=region)
    message = str(caught.value)
    for secret in (PASSWORD, SECRET_KEY, BY_TEMPORARY_KEY["securityToken"]):
        assert secret not in message
    return message


@pytest.mark.parametrize(
    ("texts", "credentials"),
    [
        (BY_PASSWORD, PASSWORD_LOGIN),
        (BY_KEY, KEY_LOGIN),
        (
            BY_TEMPORARY_KEY,
            ims.AccessKeyCredentials(
                access_key_id="QTWAOYTTINDUT2QVKYUC",
                secret_access_key=SECRET_KEY,
                security_token="ggpjbi1ub3J0aC00",
            ),
        ),
        (
            {**BY_PASSWORD, **AGENCY},
            ims.AgencyCredentials(base=PASSWORD_LOGIN, agency_name="copier", agency_domain_name="OTC-2"),
        ),
        (
            {**BY_KEY, **AGENCY},
            ims.AgencyCredentials(base=KEY_LOGIN, agency_name="copier", agency_domain_name="OTC-2"),
        ),
        (NODE, ims.NodeAgencyCredentials(metadata_endpoint="http://169.254.169.254")),
        (POD, ims.PodIdentityCredentials()),
        (
            OIDC,
            ims.IdentityProviderCredentials(
                identity_provider_id="cce-prod", token_file="/var/run/secrets/imagecopy.io/identity/token"
            ),
        ),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, dict) else "",
)
def test_the_keys_say_which_authentication_method_it_is(texts: dict[str, str], credentials: ims.Credentials) -> None:
    assert login_of(texts) == Login(credentials)


@pytest.mark.parametrize("texts", [BY_PASSWORD, BY_KEY, NODE, OIDC], ids="+".join)
def test_the_project_is_the_providers_or_the_secrets_or_the_regions(texts: dict[str, str]) -> None:
    assert login_of(texts, project_id="p" * 32).credentials.project == ProjectRef(id="p" * 32)
    assert login_of(texts | PROJECT, region=None).credentials.project == ProjectRef(name="eu-de")
    assert login_of(texts).credentials.project == ProjectRef()
    expected = f"Secret {WHERE} lacks projectName: add it, or set projectID or region in the provider"
    assert message_of(texts, region=None) == expected


def test_the_settings_say_where_the_operators_identity_is() -> None:
    ambient = Ambient(identity_token_file="/t", metadata_endpoint="http://127.0.0.1:1")
    read = [
        read_login(WHERE, encoded(texts), project_id=None, region="r", ambient=ambient).credentials
        for texts in (NODE, OIDC)
    ]
    assert read == [
        ims.NodeAgencyCredentials(metadata_endpoint="http://127.0.0.1:1"),
        ims.IdentityProviderCredentials(identity_provider_id="cce-prod", token_file="/t"),
    ]


@pytest.mark.parametrize("texts", [NODE, POD, OIDC], ids=["NodeAgency", "PodIdentity", "OIDC"])
@pytest.mark.parametrize(
    ("allowed", "kind", "may"),
    [
        (AmbientCredentials.NONE, ProviderKind.CLUSTER, False),
        (AmbientCredentials.NONE, ProviderKind.NAMESPACED, False),
        (AmbientCredentials.CLUSTER_IMAGE_PROVIDERS, ProviderKind.CLUSTER, True),
        (AmbientCredentials.CLUSTER_IMAGE_PROVIDERS, ProviderKind.NAMESPACED, False),
        (AmbientCredentials.ALL, ProviderKind.CLUSTER, True),
        (AmbientCredentials.ALL, ProviderKind.NAMESPACED, True),
    ],
)
def test_the_operators_identity_is_for_whom_the_setting_allows(
    texts: dict[str, str], allowed: AmbientCredentials, kind: ProviderKind, may: bool
) -> None:
    def read() -> Login:
        return read_login(
            WHERE, encoded(texts), project_id=None, region="r", kind=kind, ambient=Ambient(allowed=allowed)
        )

    if may:
        assert read().warnings == ()
        return
    with pytest.raises(BadSecret) as caught:
        read()
    assert f"which {kind.value}s may not use" in str(caught.value)
    assert f"IMAGECOPY_AMBIENT_CREDENTIALS (now {allowed.value})" in str(caught.value)


def test_the_message_about_an_unknown_source_lists_the_known_ones() -> None:
    message = message_of({"credentialSource": "Magic"})
    assert message == f"key credentialSource of Secret {WHERE} must be NodeAgency or PodIdentity"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n"])
@pytest.mark.parametrize("texts", [BY_PASSWORD, BY_TEMPORARY_KEY, {**BY_PASSWORD, **AGENCY}, NODE, OIDC], ids="+".join)
def test_a_line_break_at_either_end_is_ignored_with_a_warning(texts: dict[str, str], end: str) -> None:
    """``echo password | base64`` puts one there; a login with it fails, and five of those lock the account."""
    clean = login_of(texts)
    for key in texts:
        for value in (texts[key] + end, end + texts[key]):
            login = login_of(texts | {key: value})
            assert login.credentials == clean.credentials
            [warning] = login.warnings
            assert warning == (
                f"key {key} of Secret {WHERE} begins or ends with a line break, which is ignored: store the key "
                "without it"
            )


def test_spaces_belong_to_a_password() -> None:
    assert login_of(BY_PASSWORD | {"password": " x "}).credentials == ims.PasswordCredentials(
        username="bot", password=" x ", domain_name="OTC-1"
    )


@pytest.mark.parametrize("value", [" AK", "AK ", "A K", "A\nK", "ÄK", "A\x00K"])
@pytest.mark.parametrize("key", ["accessKeyID", "secretAccessKey", "securityToken"])
def test_a_character_that_can_not_be_in_an_access_key_is_refused(key: str, value: str) -> None:
    message = message_of(BY_TEMPORARY_KEY | {key: value})
    assert message == f"key {key} of Secret {WHERE} has a space or another character that it can't have: store it again"


SETS = {
    "username, password, domainName": BY_PASSWORD,
    "accessKeyID, secretAccessKey": BY_KEY,
    "accessKeyID, secretAccessKey, securityToken": BY_TEMPORARY_KEY,
    "agencyName, agencyDomainName": AGENCY,
}


@pytest.mark.parametrize(
    ("listed", "key"),
    [(listed, key) for listed, keys in SETS.items() for key in keys if (listed, key) != ([*SETS][2], "securityToken")],
)
def test_a_key_that_is_missing_or_empty_is_named_with_all_of_its_method(listed: str, key: str) -> None:
    texts = SETS[listed] | (BY_PASSWORD if SETS[listed] is AGENCY else {})
    without = {name: value for name, value in texts.items() if name != key}
    assert message_of(without) == f"Secret {WHERE} lacks {key}; it needs the keys {listed}"
    for empty in ("", "\n"):
        words = f"Secret {WHERE} lacks {key}: the key exists but is empty; it needs the keys {listed}"
        assert message_of(texts | {key: empty}) == words


def test_an_empty_security_token_is_named() -> None:
    assert "lacks securityToken: the key exists but is empty" in message_of(BY_KEY | {"securityToken": ""})


@pytest.mark.parametrize("key", ["credentialSource", "identityProviderID"])
def test_an_empty_source_is_named(key: str) -> None:
    words = f"Secret {WHERE} lacks {key}: the key exists but is empty; it needs the key {key}"
    assert message_of({key: ""}) == words


def test_all_keys_that_are_missing_are_named() -> None:
    assert f"Secret {WHERE} lacks password and domainName" in message_of({"username": "bot"})


def test_the_message_about_an_empty_secret_lists_every_method() -> None:
    assert message_of({}) == (
        f"Secret {WHERE} has no login: add the keys username, password, domainName; or accessKeyID, "
        "secretAccessKey; or credentialSource; or identityProviderID"
    )


def test_an_agency_needs_a_login() -> None:
    message = message_of(AGENCY)
    assert "names an agency but has no login that can assume it" in message
    assert "add username, password, domainName, or accessKeyID, secretAccessKey" in message


def test_the_operators_identity_can_not_assume_an_agency() -> None:
    for texts in (NODE, OIDC):
        assert "remove agencyName and agencyDomainName, or replace" in message_of(texts | AGENCY)


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations((BY_PASSWORD, BY_KEY, NODE, OIDC), 2)))
def test_two_methods_at_once_are_both_named(one: dict[str, str], other: dict[str, str]) -> None:
    message = message_of(one | other)
    for texts in (one, other):
        assert message.count(", ".join(texts)) >= 2
    assert message.endswith(
        f"only one authentication method can be used: remove {', '.join(one)} or {', '.join(other)}"
    )


def test_of_two_methods_only_the_keys_that_the_secret_has_are_named() -> None:
    assert message_of(BY_KEY | {"domainName": "OTC-1"}) == (
        f"Secret {WHERE} has keys of a password (domainName) and of an access key (accessKeyID, secretAccessKey), "
        "but only one authentication method can be used: remove domainName or accessKeyID, secretAccessKey"
    )


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("accessKeyId", "accessKeyID"),
        ("AccessKeyID", "accessKeyID"),
        ("access_key_id", "accessKeyID"),
        ("access-key-id", "accessKeyID"),
        ("secretaccesskey", "secretAccessKey"),
        ("secret_access_key", "secretAccessKey"),
    ],
)
def test_a_misspelt_key_is_guessed(wrong: str, right: str) -> None:
    texts = {wrong if key == right else key: value for key, value in BY_KEY.items()}
    assert message_of(texts).endswith(f"; it has {wrong}: did you mean {right}?")
    assert f"; it has {wrong}: did you mean {right}?" in message_of({wrong: "x"})


def test_a_misspelt_project_is_guessed() -> None:
    message = message_of(BY_PASSWORD | {"projectname": "eu-de"}, region=None)
    assert message.endswith("; it has projectname: did you mean projectName?")


def test_keys_of_other_tools_are_ignored_with_a_warning() -> None:
    login = login_of(BY_PASSWORD | {"zone": "a", "auth_url": "https://iam", "projectname": "x"})
    assert login.credentials == PASSWORD_LOGIN
    assert login.warnings == (
        f"Secret {WHERE} has keys that are not used: auth_url, projectname (did you mean projectName?), zone",
    )


@pytest.mark.parametrize("content", ["not base64!", "YWJj=ZA", "abc", "/w==", "ä"])
@pytest.mark.parametrize("key", ["password", "agencyName", "projectName"])
def test_a_key_that_is_not_text_is_named_without_its_content(key: str, content: str) -> None:
    with pytest.raises(BadSecret) as caught:
        read_login(WHERE, encoded(BY_PASSWORD | AGENCY) | {key: content}, project_id=None, region="eu-de")
    assert str(caught.value) == f"key {key} of Secret {WHERE} is not UTF-8 text: store it again as text"
    assert caught.value.__cause__ is None


def test_keys_that_are_not_ours_may_hold_anything() -> None:
    data = encoded(BY_PASSWORD) | {"blob": "/w=="}
    assert read_login(WHERE, data, project_id=None, region="eu-de").credentials == PASSWORD_LOGIN


def test_no_secret_shows_in_a_repr() -> None:
    for texts in (BY_PASSWORD, BY_TEMPORARY_KEY, BY_PASSWORD | AGENCY, BY_KEY | AGENCY):
        shown = repr(login_of(texts))
        assert "bot" in shown or "QTWAOYTTINDUT2QVKYUC" in shown
        for secret in (PASSWORD, SECRET_KEY, BY_TEMPORARY_KEY["securityToken"]):
            assert secret not in shown
