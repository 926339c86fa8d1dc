"""Reads a provider and its Secret from the API server."""

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
    """Identifies a provider; ``namespace`` is empty for a ClusterImageProvider."""

    kind: ProviderKind
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind.value} {self.namespace}/{self.name}" if self.namespace else f"{self.kind.value} {self.name}"


def key_of(namespace: str, ref: ProviderRef) -> ProviderKey:
    """Return the key of the provider that an ImageCopy of ``namespace`` refers to."""
    return ProviderKey(ref.kind, "" if ref.kind is ProviderKind.CLUSTER else namespace, ref.name)


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider of either kind, as read at one moment."""

    kind: ProviderKind
    named: str
    """Kind and name, for messages."""
    spec: ClusterImageProviderSpec | ImageProviderSpec
    secret: SecretRef
    version: tuple[str, int]
    """uid and generation."""

    @property
    def where(self) -> str:
        """Namespace and name of the Secret, for messages."""
        return f"{self.secret.namespace}/{self.secret.name}"


async def read_provider(kube: KubeClient, key: ProviderKey) -> Provider:
    """Read a provider.

    Raises:
        Unusable: it does not exist, is not valid, or the operator lacks the right to read it.
        KubeError: the API server does not answer.
    """
    kind, namespace, name, named = key.kind, key.namespace, key.name, str(key)
    try:
        found = await kube.custom_object(PLURALS[kind], name, namespace or None)
    except Missing:
        raise Unusable(
            Trouble(
                Cause.PROVIDER_MISSING,
                f"{named} does not exist: create it, and the operator goes on by itself; or create a new ImageCopy "
                f"whose spec.providerRef names another one (kubectl get {PLURALS[kind]})",
            )
        ) from None
    except Refused as exc:
        raise Unusable(_no_right(named, exc)) from None
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
        error = exc.errors()[0]
        path = ".".join(map(str, ("spec", *error["loc"])))
        words = f"{named} is not valid: {path}: {error['msg']}. Correct this field"
        raise Unusable(Trouble(Cause.PROVIDER_INVALID, words)) from None


async def read_secret(kube: KubeClient, provider: Provider) -> Secret:
    """Read the Secret of a provider.

    Raises:
        Unusable: it does not exist, or the operator lacks the right to read it.
        KubeError: the API server does not answer.
    """
    try:
        return await kube.secret(provider.secret.namespace, provider.secret.name)
    except Missing:
        words = (
            f"Secret {provider.where} does not exist, and {provider.named} needs it: create it with a login to the "
            "cloud; the operator then uses it by itself"
        )
        raise Unusable(Trouble(Cause.PROVIDER_MISSING, words)) from None
    except Refused as exc:
        raise Unusable(_no_right(f"Secret {provider.where}", exc)) from None


def _no_right(named: str, exc: Refused) -> Trouble:
    """Return the trouble of an object that the API server does not let us read."""
    return Trouble(
        Cause.PROVIDER_INVALID, f"the operator lacks the right to read {named}: {exc}. Grant it the verb get (RBAC)"
    )
