"""The objects behind a providerRef, as they are read: the provider, and its Secret."""

from dataclasses import dataclass

from pydantic import ValidationError

from imagecopy.api.imagecopy import ProviderRef
from imagecopy.api.provider import PLURALS, ClusterImageProviderSpec, ImageProviderSpec, ProviderKind, SecretRef
from imagecopy.flow.observation import Cause, Trouble
from imagecopy.kube.client import KubeClient, Secret
from imagecopy.kube.errors import Missing, Refused


class Unusable(Exception):
    """The provider can't be used now; ``trouble`` says why."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.message)
        self.trouble = trouble


@dataclass(frozen=True, slots=True)
class ProviderKey:
    """Which provider; ``namespace`` is empty for a cluster-scoped one."""

    kind: ProviderKind
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind.value} {self.namespace}/{self.name}" if self.namespace else f"{self.kind.value} {self.name}"


def key_of(namespace: str, ref: ProviderRef) -> ProviderKey:
    """Return which provider an ImageCopy of ``namespace`` refers to."""
    return ProviderKey(ref.kind, "" if ref.kind is ProviderKind.CLUSTER else namespace, ref.name)


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider of either kind; ``secret`` says where its Secret is."""

    kind: ProviderKind
    named: str
    spec: ClusterImageProviderSpec | ImageProviderSpec
    secret: SecretRef
    version: tuple[str, int]

    @property
    def where(self) -> str:
        """The Secret, for people."""
        return f"{self.secret.namespace}/{self.secret.name}"


async def read_provider(kube: KubeClient, key: ProviderKey) -> Provider:
    """Return the provider as it is now.

    Raises:
        Unusable: it is not there, or can't be read.
        KubeError: the API server does not answer.
    """
    kind, namespace, name, named = key.kind, key.namespace, key.name, str(key)
    try:
        found = await kube.custom_object(PLURALS[kind], name, namespace or None)
    except Missing:
        hint = f"create it, or name another one in a new ImageCopy's spec.providerRef (kubectl get {PLURALS[kind]})"
        raise Unusable(Trouble(Cause.PROVIDER_MISSING, f"{named} does not exist: {hint}")) from None
    except Refused as exc:
        raise Unusable(Trouble(Cause.PROVIDER_INVALID, f"the operator may not read {named}: {exc}")) from None
    meta = found["metadata"]
    try:
        if kind is ProviderKind.CLUSTER:
            spec = ClusterImageProviderSpec.model_validate(found.get("spec") or {})
            secret = spec.credentials_secret_ref
            return Provider(kind, named, spec, secret, (meta["uid"], meta["generation"]))
        local = ImageProviderSpec.model_validate(found.get("spec") or {})
        secret = SecretRef(name=local.credentials_secret_ref.name, namespace=namespace)
        return Provider(kind, named, local, secret, (meta["uid"], meta["generation"]))
    except ValidationError as exc:
        wrong = exc.errors()[0]
        words = f"{named} can't be read: {'.'.join(map(str, ('spec', *wrong['loc'])))}: {wrong['msg']}"
        raise Unusable(Trouble(Cause.PROVIDER_INVALID, words)) from None


async def read_secret(kube: KubeClient, provider: Provider) -> Secret:
    """Return the provider's Secret as it is now.

    Raises:
        Unusable: it is not there, or may not be read.
        KubeError: the API server does not answer.
    """
    where = provider.where
    try:
        return await kube.secret(provider.secret.namespace, provider.secret.name)
    except Missing:
        words = f"Secret {where} does not exist, {provider.named} needs it: create it with the cloud's login"
        raise Unusable(Trouble(Cause.PROVIDER_MISSING, words)) from None
    except Refused as exc:
        raise Unusable(Trouble(Cause.PROVIDER_INVALID, f"the operator may not read Secret {where}: {exc}")) from None
