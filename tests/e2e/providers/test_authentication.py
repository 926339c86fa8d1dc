"""Every way to log in makes a copy: the Secret's keys choose it, the cloud checks it for real."""

import json
from typing import Any

import httpx

from e2e.lab import Lab
from e2e.objects import Copy
from e2e.together import together, together_with_own_operator

_REGION = "eu-sim-1"


def _copied(lab: Lab, way: str, source: str = "plain") -> Any:
    """Make a copy; return the copy call that the cloud got, once."""
    return _posted(lab, lab.copy(f"by-{way}", source))


def _posted(lab: Lab, copy: Copy) -> Any:
    copy.until_at_rest("Succeeded")
    posts = lab.cloud.posts(copy.name)
    assert len(posts) == 1
    return posts[0]


def _key(lab: Lab, login: int = 0) -> dict[str, str]:
    known = lab.cloud.config["logins"][login]
    return {"accessKeyID": known["access_key"], "secretAccessKey": known["secret_key"]}


def _agency(lab: Lab) -> Any:
    return next(known for known in lab.cloud.config["agencies"] if known["name"] == "sim-copy-agency")


def _agent(lab: Lab) -> int:
    return next(number for number, login in enumerate(lab.cloud.config["logins"]) if login["agent_operator"])


@together
def test_an_access_key_copies_and_its_project_is_looked_up(lab: Lab) -> None:
    lab.secret(_key(lab) | {"projectName": _REGION})
    lab.provider(projectID=None)
    call = _copied(lab, "access-key")
    assert (call["user"], call["way"]) == ("sim-copier", "access_key")
    assert len(lab.cloud.calls("projects")) == 1


@together
def test_a_temporary_key_copies(lab: Lab) -> None:
    login = lab.cloud.config["logins"][0]
    user = {"name": login["user"], "password": login["password"], "domain": {"name": login["domain"]}}
    identity = {"methods": ["password"], "password": {"user": user}}
    with httpx.Client(base_url=lab.cloud.url, trust_env=False) as http:
        scope = {"project": {"id": login["project_id"]}}
        token = http.post("/v3/auth/tokens", json={"auth": {"identity": identity, "scope": scope}})
        wanted = {"auth": {"identity": {"methods": ["token"], "token": {"duration_seconds": 3600}}}}
        headers = {"X-Auth-Token": token.headers["X-Subject-Token"]}
        key = http.post("/v3.0/OS-CREDENTIAL/securitytokens", json=wanted, headers=headers).json()["credential"]
    lab.secret({"accessKeyID": key["access"], "secretAccessKey": key["secret"], "securityToken": key["securitytoken"]})
    lab.provider()
    assert _copied(lab, "temporary-key")["way"] == "temporary_key"


@together
def test_an_agency_taken_by_password_copies_in_the_other_account(lab: Lab) -> None:
    agency, login = _agency(lab), lab.cloud.config["logins"][_agent(lab)]
    lab.secret(
        {
            "username": login["user"],
            "password": login["password"],
            "domainName": login["domain"],
            "agencyName": agency["name"],
            "agencyDomainName": agency["domain"],
        }
    )
    lab.provider(projectID=agency["project_id"])
    call = _copied(lab, "agency-password", "shared")
    assert (call["agency"], call["way"]) == (agency["name"], "assume_role")


@together
def test_an_agency_taken_by_access_key_copies_in_the_other_account(lab: Lab) -> None:
    agency = _agency(lab)
    lab.secret(_key(lab, _agent(lab)) | {"agencyName": agency["name"], "agencyDomainName": agency["domain"]})
    lab.provider(projectID=agency["project_id"])
    call = _copied(lab, "agency-key", "shared")
    assert (call["agency"], call["way"]) == (agency["name"], "temporary_key")


@together
def test_an_access_key_with_a_wrong_secret_is_told_and_does_not_lock_the_key(lab: Lab) -> None:
    lab.secret(_key(lab) | {"secretAccessKey": "wrong"})
    lab.provider()
    copies = [lab.copy(f"golden-{number}") for number in range(4)]
    for copy in copies:
        seen = copy.until_reason("CredentialsInvalid")
        assert f"Secret {lab.namespace}/login" in seen.message
        assert "canonicalRequest" not in seen.message
    refused = [call for call in lab.cloud.calls() if call["status"] == httpx.codes.UNAUTHORIZED]
    assert 1 <= len(refused) <= 5
    lab.secret(_key(lab))
    for copy in copies:
        copy.until_at_rest("Succeeded", seconds=90)
    assert len(lab.cloud.posts()) == len(copies)


@together
def test_a_namespaced_provider_does_not_get_the_operators_own_identity(lab: Lab) -> None:
    lab.secret({"credentialSource": "NodeAgency"})
    lab.provider()
    copy = lab.copy("golden")
    seen = copy.until_reason("InvalidConfiguration")
    assert "IMAGECOPY_AMBIENT_CREDENTIALS" in seen.message
    assert lab.cloud.calls() == []


@together_with_own_operator
def test_the_operators_own_identity_copies_by_node_agency_pod_identity_and_service_account(lab: Lab) -> None:
    files = lab.site.folder
    pod = lab.cloud.config["pod_identity"]
    pod_file, identity_file = files / f"{lab.namespace}-pod", files / f"{lab.namespace}-identity"
    pod_file.write_text(pod["token"])
    audience = "https://iam.example.com"
    _trust_cluster(lab, audience)
    identity_file.write_text(lab.kubectl("create", "token", "default", f"--audience={audience}").strip())
    lab.operator(
        IMAGECOPY_AMBIENT_CREDENTIALS="All",
        IMAGECOPY_METADATA_ENDPOINT=lab.cloud.url,
        IMAGECOPY_IDENTITY_TOKEN_FILE=str(identity_file),
        HC_CONTAINER_CREDENTIALS_FULL_URI=pod["uri"],
        HC_CONTAINER_AUTHORIZATION_TOKEN_FILE=str(pod_file),
    )
    secrets = {
        "node": {"credentialSource": "NodeAgency"},
        "pod": {"credentialSource": "PodIdentity"},
        "identity": {"identityProviderID": "cluster"},
    }
    for way, secret in secrets.items():
        lab.secret(secret, name=way)
        lab.provider(name=way, credentialsSecretRef={"name": way})
    copies = {way: lab.copy(way, providerRef={"kind": "ImageProvider", "name": way}) for way in secrets}
    calls = {way: _posted(lab, copy) for way, copy in copies.items()}
    assert {way: call["way"] for way, call in calls.items()} == {
        "node": "temporary_key",
        "pod": "temporary_key",
        "identity": "mapped",
    }
    assert calls["identity"]["user"] == f"system:serviceaccount:{lab.namespace}:default"


def _trust_cluster(lab: Lab, audience: str) -> None:
    """Make the API server's signing keys known to the cloud, as its administrator would."""
    issuer = json.loads(lab.kubectl("get", "--raw", "/.well-known/openid-configuration"))["issuer"]
    jwks = json.loads(lab.kubectl("get", "--raw", "/openid/v1/jwks"))
    lab.cloud.trust("cluster", {"issuer": issuer, "audience": audience, "jwks": jwks})
