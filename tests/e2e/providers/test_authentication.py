"""A copy with each authentication method. The keys of the Secret select the method, and the cloud checks it."""

import json
from typing import Any

import httpx

from e2e.environment import Environment
from e2e.objects import Copy
from e2e.parallel import parallel, parallel_with_own_operator

_REGION = "eu-sim-1"


def _copied(env: Environment, way: str, source: str = "plain") -> Any:
    """Make a copy; return the only copy call that the cloud received."""
    return _posted(env, env.copy(f"by-{way}", source))


def _posted(env: Environment, copy: Copy) -> Any:
    copy.until_finished("Succeeded")
    posts = env.cloud.posts(copy.name)
    assert len(posts) == 1
    return posts[0]


def _key(env: Environment, login: int = 0) -> dict[str, str]:
    known = env.cloud.config["logins"][login]
    return {"accessKeyID": known["access_key"], "secretAccessKey": known["secret_key"]}


def _agency(env: Environment) -> Any:
    return next(known for known in env.cloud.config["agencies"] if known["name"] == "sim-copy-agency")


def _agent(env: Environment) -> int:
    return next(number for number, login in enumerate(env.cloud.config["logins"]) if login["agent_operator"])


@parallel
def test_an_access_key_copies_and_its_project_is_looked_up(env: Environment) -> None:
    env.secret(_key(env) | {"projectName": _REGION})
    env.provider(projectID=None)
    call = _copied(env, "access-key")
    assert (call["user"], call["way"]) == ("sim-copier", "access_key")
    assert len(env.cloud.calls("projects")) == 1


@parallel
def test_a_temporary_key_copies(env: Environment) -> None:
    login = env.cloud.config["logins"][0]
    user = {"name": login["user"], "password": login["password"], "domain": {"name": login["domain"]}}
    identity = {"methods": ["password"], "password": {"user": user}}
    with httpx.Client(base_url=env.cloud.url, trust_env=False) as http:
        scope = {"project": {"id": login["project_id"]}}
        token = http.post("/v3/auth/tokens", json={"auth": {"identity": identity, "scope": scope}})
        wanted = {"auth": {"identity": {"methods": ["token"], "token": {"duration_seconds": 3600}}}}
        headers = {"X-Auth-Token": token.headers["X-Subject-Token"]}
        key = http.post("/v3.0/OS-CREDENTIAL/securitytokens", json=wanted, headers=headers).json()["credential"]
    env.secret({"accessKeyID": key["access"], "secretAccessKey": key["secret"], "securityToken": key["securitytoken"]})
    env.provider()
    assert _copied(env, "temporary-key")["way"] == "temporary_key"


@parallel
def test_an_agency_taken_by_password_copies_in_the_other_account(env: Environment) -> None:
    agency, login = _agency(env), env.cloud.config["logins"][_agent(env)]
    env.secret(
        {
            "username": login["user"],
            "password": login["password"],
            "domainName": login["domain"],
            "agencyName": agency["name"],
            "agencyDomainName": agency["domain"],
        }
    )
    env.provider(projectID=agency["project_id"])
    call = _copied(env, "agency-password", "shared")
    assert (call["agency"], call["way"]) == (agency["name"], "assume_role")


@parallel
def test_an_agency_taken_by_access_key_copies_in_the_other_account(env: Environment) -> None:
    agency = _agency(env)
    env.secret(_key(env, _agent(env)) | {"agencyName": agency["name"], "agencyDomainName": agency["domain"]})
    env.provider(projectID=agency["project_id"])
    call = _copied(env, "agency-key", "shared")
    assert (call["agency"], call["way"]) == (agency["name"], "temporary_key")


@parallel
def test_an_access_key_with_a_wrong_secret_is_told_and_does_not_lock_the_key(env: Environment) -> None:
    env.secret(_key(env) | {"secretAccessKey": "wrong"})
    env.provider()
    copies = [env.copy(f"golden-{number}") for number in range(4)]
    for copy in copies:
        state = copy.until_reason("CredentialsInvalid")
        assert f"Secret {env.namespace}/login" in state.message
        assert "canonicalRequest" not in state.message
    refused = [call for call in env.cloud.calls() if call["status"] == httpx.codes.UNAUTHORIZED]
    assert 1 <= len(refused) <= 5
    env.secret(_key(env))
    for copy in copies:
        copy.until_finished("Succeeded", seconds=90)
    assert len(env.cloud.posts()) == len(copies)


@parallel
def test_a_namespaced_provider_does_not_get_the_operators_own_identity(env: Environment) -> None:
    env.secret({"credentialSource": "NodeAgency"})
    env.provider()
    copy = env.copy("golden")
    state = copy.until_reason("InvalidConfiguration")
    assert "IMAGECOPY_AMBIENT_CREDENTIALS" in state.message
    assert env.cloud.calls() == []


@parallel_with_own_operator
def test_the_operators_own_identity_copies_by_node_agency_pod_identity_and_service_account(env: Environment) -> None:
    files = env.shared.folder
    pod = env.cloud.config["pod_identity"]
    pod_file, identity_file = files / f"{env.namespace}-pod", files / f"{env.namespace}-identity"
    pod_file.write_text(pod["token"])
    audience = "https://iam.example.com"
    _trust_cluster(env, audience)
    identity_file.write_text(env.kubectl("create", "token", "default", f"--audience={audience}").strip())
    env.operator(
        IMAGECOPY_AMBIENT_CREDENTIALS="All",
        IMAGECOPY_METADATA_ENDPOINT=env.cloud.url,
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
        env.secret(secret, name=way)
        env.provider(name=way, credentialsSecretRef={"name": way})
    copies = {way: env.copy(way, providerRef={"kind": "ImageProvider", "name": way}) for way in secrets}
    calls = {way: _posted(env, copy) for way, copy in copies.items()}
    assert {way: call["way"] for way, call in calls.items()} == {
        "node": "temporary_key",
        "pod": "temporary_key",
        "identity": "mapped",
    }
    assert calls["identity"]["user"] == f"system:serviceaccount:{env.namespace}:default"


def _trust_cluster(env: Environment, audience: str) -> None:
    """Register the API server's signing keys in the cloud, as an administrator does."""
    issuer = json.loads(env.kubectl("get", "--raw", "/.well-known/openid-configuration"))["issuer"]
    jwks = json.loads(env.kubectl("get", "--raw", "/openid/v1/jwks"))
    env.cloud.trust("cluster", {"issuer": issuer, "audience": audience, "jwks": jwks})
