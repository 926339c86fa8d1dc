"""Providers and Secrets that can't be used: what the message says."""

from typing import Any

import pytest

from imagecopy import ims
from imagecopy.api.imagecopy import ProviderRef
from imagecopy.flow.observation import Cause
from imagecopy.ims import ssl_context
from imagecopy.kube.client import Secret
from imagecopy.kube.errors import Refused
from imagecopy.providers.client_cache import READ_BROKEN_SECONDS, READ_SECONDS
from imagecopy.providers.registry import ProviderRegistry
from unit.copies.builders import Clock, FakeKube
from unit.ims.sockets import own_certificate
from unit.providers.builders import LOCAL, PROVIDER_AT, SECRET_AT, is_closed, provider, secret, trouble, use


async def test_a_key_that_is_missing_is_named(registry: ProviderRegistry, kube: FakeKube) -> None:
    kube.secrets[SECRET_AT] = secret(password="")
    found = await trouble(registry)
    assert found.cause is Cause.PROVIDER_INVALID
    assert "Secret imagecopy-system/otc lacks password" in found.message


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"endpoints": {"iam": "https://iam.evil.example"}}, "iam.evil.example"),
        ({"endpoints": {"ims": "https://ims.evil.example"}}, "ims.evil.example"),
        ({"cloud": None, "region": None}, "set cloud and region, or endpoints.iam"),
        ({"cloud": "Unheard"}, "ClusterImageProvider default is not valid"),
        ({"credentialsSecretRef": None}, "ClusterImageProvider default is not valid"),
    ],
    ids=["login not allowed", "service not allowed", "nowhere to log in", "unknown cloud", "no Secret"],
)
async def test_a_provider_that_can_not_work_as_written_is_named(
    registry: ProviderRegistry, kube: FakeKube, changes: dict[str, Any], word: str
) -> None:
    kube.others[PROVIDER_AT] = provider(**changes)
    found = await trouble(registry)
    assert found.cause is Cause.PROVIDER_INVALID
    assert word in found.message


async def test_a_field_that_is_not_valid_is_named(registry: ProviderRegistry, kube: FakeKube) -> None:
    kube.others[PROVIDER_AT] = provider(cloud="Unheard")
    assert "spec.cloud: " in (await trouble(registry)).message


async def test_a_namespaced_provider_takes_the_secret_of_its_own_namespace(
    registry: ProviderRegistry, kube: FakeKube, clock: Clock
) -> None:
    stolen = {"name": "otc", "namespace": "imagecopy-system"}
    kube.others[("imageproviders", "team-a", "mine")] = provider(credentialsSecretRef=stolen)
    assert "Secret team-a/otc does not exist" in (await trouble(registry, LOCAL)).message
    kube.secrets[("team-a", "otc")] = secret()
    clock.seconds += READ_BROKEN_SECONDS
    assert not is_closed(await use(registry, LOCAL))


async def test_a_ca_bundle_is_trusted_by_login_and_image_service_alike(
    registry: ProviderRegistry, kube: FakeKube, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    login_trusts: list[object] = []
    real = ims.auth_for

    def auth_for(credentials: ims.Credentials, iam: str, wire: ims.Wire, **options: Any) -> ims.ImsAuth:
        login_trusts.append(wire.context)
        return real(credentials, iam, wire, **options)

    monkeypatch.setattr(ims, "auth_for", auth_for)
    _, bundle = own_certificate()
    _, another = own_certificate()
    kube.others[PROVIDER_AT] = provider(caBundle=bundle)
    client = await use(registry)
    assert client._wire.context is ssl_context(bundle)
    kube.others[PROVIDER_AT] = provider(2, caBundle=another)
    clock.seconds += READ_SECONDS
    assert (await use(registry))._wire.context is ssl_context(another)
    assert login_trusts == [ssl_context(bundle), ssl_context(another)]


async def test_a_ca_bundle_that_can_not_be_read_is_named(registry: ProviderRegistry, kube: FakeKube) -> None:
    kube.others[PROVIDER_AT] = provider(caBundle="-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")
    found = await trouble(registry)
    assert found.cause is Cause.PROVIDER_INVALID
    assert found.message.startswith("spec.caBundle of ClusterImageProvider default: the CA bundle can't be read")


async def test_a_provider_that_does_not_exist_is_named_with_what_to_do(registry: ProviderRegistry) -> None:
    found = await trouble(registry, ProviderRef(name="nope"))
    assert found.cause is Cause.PROVIDER_MISSING
    assert found.message.startswith("ClusterImageProvider nope does not exist: create it")
    found = await trouble(registry, LOCAL)
    assert found.message.startswith("ImageProvider team-a/mine does not exist: create it")


async def test_a_secret_that_does_not_exist_is_named(registry: ProviderRegistry, kube: FakeKube) -> None:
    del kube.secrets[SECRET_AT]
    found = await trouble(registry)
    assert found.cause is Cause.PROVIDER_MISSING
    assert (
        "Secret imagecopy-system/otc does not exist, and ClusterImageProvider default needs it: create it"
        in found.message
    )


async def test_an_object_that_the_operator_may_not_read_is_named(
    registry: ProviderRegistry, kube: FakeKube, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def forbidden(namespace: str, name: str) -> Secret:
        raise Refused("403 forbidden", 403)

    monkeypatch.setattr(kube, "secret", forbidden)
    found = await trouble(registry)
    assert found.cause is Cause.PROVIDER_INVALID
    assert "lacks the right to read Secret imagecopy-system/otc: 403 forbidden. Grant" in found.message
    kube.down = Refused("403 forbidden", 403)
    assert "lacks the right to read ImageProvider team-a/mine" in (await trouble(registry, LOCAL)).message
