"""The official Python SDK: imports without types, its client, and its signer."""

from __future__ import annotations

import importlib
from typing import Any
from urllib.parse import urlsplit

import pytest

from simulator.process import Process

core: Any = importlib.import_module("huaweicloudsdkcore.auth.credentials")
accessors: Any = importlib.import_module("huaweicloudsdkcore.auth.internal")
exceptions: Any = importlib.import_module("huaweicloudsdkcore.exceptions.exceptions")
http_config: Any = importlib.import_module("huaweicloudsdkcore.http.http_config")
ims: Any = importlib.import_module("huaweicloudsdkims.v2")
_region: Any = importlib.import_module("huaweicloudsdkcore.region.region")
_request: Any = importlib.import_module("huaweicloudsdkcore.sdk_request")


def credentials(access: str, secret: str, project_id: str | None = None, token: str | None = None) -> Any:
    """Credentials for the SDK; with `token`, those of a temporary key."""
    found = core.BasicCredentials(access, secret, project_id)
    return found if token is None else found.with_security_token(token)


def region(name: str, url: str) -> Any:
    """A region whose services are at `url`."""
    return _region.Region(name, url)


def client(url: str, login: Any) -> Any:
    """The SDK's client of the image service at `url`."""
    config = http_config.HttpConfig.get_default_config()
    config.ignore_ssl_verification = True
    return ims.ImsClient.new_builder().with_http_config(config).with_credentials(login).with_endpoint(url).build()


def signed(
    login: Any,
    url: str,
    method: str,
    path: str,
    *,
    query: list[tuple[str, str]] | None = None,
    headers: dict[str, str] | None = None,
    body: bytes = b"",
) -> tuple[str, dict[str, str]]:
    """Target and headers of a request that the SDK has signed; `headers` may set X-Sdk-Date."""
    request = _request.SdkRequest(
        method=method,
        schema="http",
        host=urlsplit(url).netloc,
        resource_path=path,
        query_params=list(query or []),
        header_params=dict(headers or {}),
        body=body,
    )
    request = login.sign_request(request)
    return request.uri, {str(name): str(value) for name, value in request.header_params.items()}


REGION = "eu-sim-1"


def client_of(cloud: Process, config: Any, login: int = 0) -> Any:
    known = config["logins"][login]
    return client(cloud.url, credentials(known["access_key"], known["secret_key"], config["project_id"]))


def refusal(call: Any, *arguments: Any) -> tuple[int, str, str, str]:
    with pytest.raises(exceptions.ClientRequestException) as caught:
        call(*arguments)
    error = caught.value
    return error.status_code, error.error_code, error.error_msg, error.request_id


def last_request_id(cloud: Process) -> str:
    return str(cloud.call("GET", "/_simulator/calls")[1]["calls"][-1]["request_id"])
