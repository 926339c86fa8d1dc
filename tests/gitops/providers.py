"""Providers as the API server stores them, one for each reason of their condition Ready."""

from collections.abc import Mapping
from typing import Final

from gitops.argocd import Manifest
from imagecopy.api.base import GROUP, VERSION
from imagecopy.api.provider import ClusterImageProviderSpec, ImageProviderSpec

REASONS: Final = {
    "Available": "logged in to project eu-de",
    "WaitingForSecret": "Secret imagecopy-system/otc-login does not exist",
    "InvalidConfiguration": "Secret imagecopy-system/otc-login has no key domainName",
    "CredentialsInvalid": "the cloud refused the login: The username or password is wrong.",
    "PermissionDenied": "APIGW.0302: the user may not list images",
    "Throttled": "APIGW.0308: too many calls",
    "TransientError": "https://iam.eu-de.otc.t-systems.com does not answer",
}
"""Reasons of Ready, each with a message as the operator writes it."""


def providers(kind: str) -> Mapping[str, Manifest]:
    """Return providers of a kind, by the name of their stage."""
    found = {_snake(reason): _provider(kind, reason) for reason in REASONS}
    edited, new = _provider(kind, "CredentialsInvalid"), _provider(kind, "Available")
    edited["metadata"]["generation"] = 2
    new["status"] = {"observedGeneration": -1}
    without_status = _provider(kind, "Available")
    del without_status["status"]
    deleting = _provider(kind, "Available")
    deleting["metadata"]["deletionTimestamp"] = "2026-09-01T12:11:40Z"
    return found | {"new": new, "without_status": without_status, "edited": edited, "deleting": deleting}


def _snake(reason: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in reason).strip("_")


def _provider(kind: str, reason: str) -> Manifest:
    secret = {"name": "otc-login"}
    common = {"cloud": "OpenTelekomCloud", "region": "eu-de"}
    if kind == "ClusterImageProvider":
        named = secret | {"namespace": "imagecopy-system"}
        spec = ClusterImageProviderSpec.model_validate(common | {"credentialsSecretRef": named}).to_wire()
    else:
        spec = ImageProviderSpec.model_validate(common | {"credentialsSecretRef": secret}).to_wire()
    ready = reason == "Available"
    status: Manifest = {
        "observedGeneration": 1,
        "conditions": [
            {
                "type": "Ready",
                "status": "True" if ready else "False",
                "reason": reason,
                "message": REASONS[reason],
                "lastTransitionTime": "2026-09-01T12:00:00Z",
                "observedGeneration": 1,
            }
        ],
    }
    if ready:
        status |= {"projectID": "5dd3c0b24cdc4d31952c49589182a89d", "projectName": "eu-de"}
        status |= {"images": {"used": 12, "quota": 50}, "runningCopies": 2}
    metadata: Manifest = {
        "creationTimestamp": "2026-09-01T11:59:58Z",
        "generation": 1,
        "name": "default",
        "resourceVersion": "4711",
        "uid": "5f0c7a52-0000-4000-8000-000000000002",
    }
    if kind == "ImageProvider":
        metadata["namespace"] = "imagecopy-system"
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": kind,
        "metadata": metadata,
        "spec": spec,
        "status": status,
    }
