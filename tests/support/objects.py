"""Manifests of our kinds, and their paths on the API server."""

from collections.abc import Mapping
from typing import Any, Final

Manifest = dict[str, Any]

GROUP: Final = "/apis/imagecopy.io/v1alpha1"
VERSION: Final = "imagecopy.io/v1alpha1"


def collection(namespace: str, plural: str) -> str:
    """Return the path of our objects of one kind in a namespace."""
    return f"{GROUP}/namespaces/{namespace}/{plural}"


def secrets_of(namespace: str) -> str:
    """Return the path of a namespace's Secrets."""
    return f"/api/v1/namespaces/{namespace}/secrets"


def image_copy(name: str, source_id: str, **spec: object) -> Manifest:
    """Return an ImageCopy that uses the ImageProvider `cloud`. A field of `spec` that is None is left out."""
    usual = {"source": {"imageID": source_id}, "providerRef": {"kind": "ImageProvider", "name": "cloud"}}
    return _ours("ImageCopy", name, usual | spec)


def image_provider(name: str, **spec: object) -> Manifest:
    """Return an ImageProvider that uses the Secret `login`. A field of `spec` that is None is left out."""
    return _ours("ImageProvider", name, {"credentialsSecretRef": {"name": "login"}} | spec)


def cluster_image_provider(name: str, secret_namespace: str, **spec: object) -> Manifest:
    """Return a ClusterImageProvider that uses the Secret `login` of a namespace."""
    secret = {"name": "login", "namespace": secret_namespace}
    return _ours("ClusterImageProvider", name, {"credentialsSecretRef": secret} | spec)


def secret(name: str, data: Mapping[str, str]) -> Manifest:
    """Return a Secret with this content."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "stringData": dict(data),
        "type": "Opaque",
    }


def _ours(kind: str, name: str, spec: Mapping[str, object]) -> Manifest:
    given = {field: value for field, value in spec.items() if value is not None}
    return {"apiVersion": VERSION, "kind": kind, "metadata": {"name": name}, "spec": given}
