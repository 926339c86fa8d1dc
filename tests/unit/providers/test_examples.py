"""The manifests under deploy/examples/providers: each is a login that works as written."""

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from imagecopy import ims
from imagecopy.api.provider import ClusterImageProviderSpec
from imagecopy.providers.credentials import Login, read_login

ROOT = Path(__file__).parents[3]
FILES = sorted((ROOT / "deploy/examples/providers").glob("*.yaml"))


def manifests(file: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    secret, provider = yaml.safe_load_all(file.read_text())
    return secret, provider


def login_of(file: Path) -> Login:
    secret, provider = manifests(file)
    spec = ClusterImageProviderSpec.model_validate(provider["spec"])
    data = {key: base64.b64encode(text.encode()).decode() for key, text in secret["stringData"].items()}
    return read_login("ns/name", data, project_id=spec.project_id, region=spec.region)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_an_example_is_a_provider_with_the_secret_beside_it(file: Path) -> None:
    secret, provider = manifests(file)
    assert (secret["apiVersion"], secret["kind"]) == ("v1", "Secret")
    assert (provider["apiVersion"], provider["kind"]) == ("imagecopy.io/v1alpha1", "ClusterImageProvider")
    spec = ClusterImageProviderSpec.model_validate(provider["spec"])
    assert (spec.credentials_secret_ref.namespace, spec.credentials_secret_ref.name) == (
        secret["metadata"]["namespace"],
        secret["metadata"]["name"],
    )
    assert spec.cloud is not None
    assert spec.region is not None
    login = login_of(file)
    assert login.warnings == ()
    endpoints = ims.cloud_endpoints(spec.cloud.value, spec.region)
    assert endpoints.ims is not None, "methods without a catalogue need it"
    ims.auth_for(login.credentials, endpoints.iam, ims.Wire(allowlist=ims.Allowlist.default()))


def test_there_is_an_example_of_each_authentication_method() -> None:
    kinds = {
        (type(login.credentials), type(getattr(login.credentials, "base", None))) for login in map(login_of, FILES)
    }
    nothing = type(None)
    assert kinds == {
        (ims.PasswordCredentials, nothing),
        (ims.AccessKeyCredentials, nothing),
        (ims.AgencyCredentials, ims.PasswordCredentials),
        (ims.AgencyCredentials, ims.AccessKeyCredentials),
        (ims.NodeAgencyCredentials, nothing),
        (ims.PodIdentityCredentials, nothing),
        (ims.IdentityProviderCredentials, nothing),
    }


def test_each_example_is_named_in_the_docs() -> None:
    page = (ROOT / "docs/clouds.md").read_text()
    for file in FILES:
        assert f"../deploy/examples/providers/{file.name}" in page
