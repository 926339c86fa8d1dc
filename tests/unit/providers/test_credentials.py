"""What is in a Secret, and what is said about one that can't work."""

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


def told(texts: dict[str, str], *, region: str | None = "eu-de") -> str:
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
def test_the_keys_say_which_way_in_it_is(texts: dict[str, str], credentials: ims.Credentials) -> None:
    assert login_of(texts) == Login(credentials)


@pytest.mark.parametrize("texts", [BY_PASSWORD, BY_KEY, NODE, OIDC], ids="+".join)
def test_the_project_is_the_providers_or_the_secrets_or_the_regions(texts: dict[str, str]) -> None:
    assert login_of(texts, project_id="p" * 32).credentials.project == ProjectRef(id="p" * 32)
    assert login_of(texts | PROJECT, region=None).credentials.project == ProjectRef(name="eu-de")
    assert login_of(texts).credentials.project == ProjectRef()
    expected = f"Secret {WHERE} lacks projectName: add it, or set projectID or region in the provider"
    assert told(texts, region=None) == expected


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


def test_an_unknown_source_is_told_with_the_known_ones() -> None:
    message = told({"credentialSource": "Magic"})
    assert message == f"key credentialSource of Secret {WHERE} must be NodeAgency or PodIdentity"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n"])
@pytest.mark.parametrize("texts", [BY_PASSWORD, BY_TEMPORARY_KEY, {**BY_PASSWORD, **AGENCY}, NODE, OIDC], ids="+".join)
def test_a_line_break_at_either_end_is_left_out_and_told(texts: dict[str, str], end: str) -> None:
    """``echo password | base64`` puts one there; a login with it fails, and five of those lock the account."""
    clean = login_of(texts)
    for key in texts:
        for value in (texts[key] + end, end + texts[key]):
            login = login_of(texts | {key: value})
            assert login.credentials == clean.credentials
            assert login.warnings == (
                f"key {key} of Secret {WHERE} begins or ends with a line break, which is left out",
            )


def test_blanks_belong_to_a_password() -> None:
    assert login_of(BY_PASSWORD | {"password": " x "}).credentials == ims.PasswordCredentials(
        username="bot", password=" x ", domain_name="OTC-1"
    )


@pytest.mark.parametrize("value", [" AK", "AK ", "A K", "A\nK", "ÄK", "A\x00K"])
@pytest.mark.parametrize("key", ["accessKeyID", "secretAccessKey", "securityToken"])
def test_what_can_not_be_in_an_access_key_is_told(key: str, value: str) -> None:
    message = told(BY_TEMPORARY_KEY | {key: value})
    assert message == f"key {key} of Secret {WHERE} has a blank or another character that can't be in one"


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
def test_a_key_that_is_missing_or_empty_is_named_with_all_of_its_way(listed: str, key: str) -> None:
    texts = SETS[listed] | (BY_PASSWORD if SETS[listed] is AGENCY else {})
    without = {name: value for name, value in texts.items() if name != key}
    assert told(without) == f"Secret {WHERE} lacks {key}; it needs the keys {listed}"
    for empty in ("", "\n"):
        words = f"Secret {WHERE} lacks {key}: the key is there but empty; it needs the keys {listed}"
        assert told(texts | {key: empty}) == words


def test_an_empty_security_token_is_named() -> None:
    assert "lacks securityToken: the key is there but empty" in told(BY_KEY | {"securityToken": ""})


@pytest.mark.parametrize("key", ["credentialSource", "identityProviderID"])
def test_an_empty_source_is_named(key: str) -> None:
    words = f"Secret {WHERE} lacks {key}: the key is there but empty; it needs the key {key}"
    assert told({key: ""}) == words


def test_all_keys_that_are_missing_are_named() -> None:
    assert f"Secret {WHERE} lacks password and domainName" in told({"username": "bot"})


def test_an_empty_secret_is_told_every_way_in() -> None:
    assert told({}) == (
        f"Secret {WHERE} has no login in it; it needs the keys username, password, domainName; or accessKeyID, "
        "secretAccessKey; or credentialSource; or identityProviderID"
    )


def test_an_agency_needs_a_login() -> None:
    message = told(AGENCY)
    assert "has an agency but no login to take it on with" in message
    assert "add username, password, domainName, or accessKeyID, secretAccessKey" in message


def test_an_agency_can_not_be_taken_on_by_the_operators_identity() -> None:
    for texts in (NODE, OIDC):
        assert "remove agencyName and agencyDomainName, or replace" in told(texts | AGENCY)


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations((BY_PASSWORD, BY_KEY, NODE, OIDC), 2)))
def test_two_ways_in_at_once_are_both_named(one: dict[str, str], other: dict[str, str]) -> None:
    message = told(one | other)
    for texts in (one, other):
        assert message.count(", ".join(texts)) >= 2
    assert message.endswith(f"there can be one way in only: remove {', '.join(one)} or {', '.join(other)}")


def test_of_two_ways_in_only_the_keys_that_are_there_are_named() -> None:
    assert told(BY_KEY | {"domainName": "OTC-1"}) == (
        f"Secret {WHERE} has keys of a password (domainName) and of an access key (accessKeyID, secretAccessKey), "
        "but there can be one way in only: remove domainName or accessKeyID, secretAccessKey"
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
    assert told(texts).endswith(f"; it has {wrong}: did you mean {right}?")
    assert f"; it has {wrong}: did you mean {right}?" in told({wrong: "x"})


def test_a_misspelt_project_is_guessed() -> None:
    message = told(BY_PASSWORD | {"projectname": "eu-de"}, region=None)
    assert message.endswith("; it has projectname: did you mean projectName?")


def test_keys_of_other_tools_are_told_and_do_no_harm() -> None:
    login = login_of(BY_PASSWORD | {"zone": "a", "auth_url": "https://iam", "projectname": "x"})
    assert login.credentials == PASSWORD_LOGIN
    assert login.warnings == (
        f"Secret {WHERE} has keys that are not used: auth_url, projectname (did you mean projectName?), zone",
    )


@pytest.mark.parametrize("content", ["not base64!", "YWJj=ZA", "abc", "/w==", "ä"])
@pytest.mark.parametrize("key", ["password", "agencyName", "projectName"])
def test_a_key_that_is_no_text_is_named_without_its_content(key: str, content: str) -> None:
    with pytest.raises(BadSecret) as caught:
        read_login(WHERE, encoded(BY_PASSWORD | AGENCY) | {key: content}, project_id=None, region="eu-de")
    assert str(caught.value) == f"key {key} of Secret {WHERE} is not UTF-8 text: store it anew"
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
