"""The official SDK's signer, as the judge of ours."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from imagecopy.ims.auth.signer import AccessKey

_credentials: Any = importlib.import_module("huaweicloudsdkcore.auth.credentials")
_sdk_request: Any = importlib.import_module("huaweicloudsdkcore.sdk_request")


@dataclass(frozen=True)
class Signed:
    """What the SDK would send."""

    target: str
    authorization: str


def signed(
    key: AccessKey,
    method: str,
    host: str,
    path: str,
    pairs: list[tuple[str, str]],
    headers: Mapping[str, str],
    body: bytes,
    project_id: str | None,
) -> Signed:
    """Sign with the SDK. ``headers`` have X-Sdk-Date; those of project and token are the SDK's to set."""
    credentials = _credentials.BasicCredentials(key.access_key_id, key.secret_access_key, project_id)
    if key.security_token is not None:
        credentials = credentials.with_security_token(key.security_token)
    request = _sdk_request.SdkRequest(
        method=method,
        schema="https",
        host=host,
        resource_path=path,
        query_params=list(pairs),
        header_params=dict(headers),
        body=body,
    )
    request = credentials.sign_request(request)
    return Signed(request.uri, request.header_params["Authorization"])


@dataclass(frozen=True)
class Received:
    """A request as a server got it, byte by byte."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @classmethod
    def parse(cls, head: bytes, body: bytes) -> "Received":
        """Read what came before the body, up to the empty line."""
        first, *lines = head.decode("ascii").split("\r\n")
        method, target, _version = first.split(" ")
        pairs = (line.partition(":") for line in lines if line)
        return cls(method, target, {name.lower(): value.strip() for name, _, value in pairs}, body)

    def expected(self, key: AccessKey) -> Signed:
        """Return what the SDK makes of what was received, as a server that checks signatures would."""
        path, _, query = self.target.partition("?")
        names = {"x-sdk-date": "X-Sdk-Date", "content-type": "Content-Type"}
        headers = {shown: self.headers[name] for name, shown in names.items() if name in self.headers}
        pairs = parse_qsl(query, keep_blank_values=True)
        project_id = self.headers.get("x-project-id")
        return signed(key, self.method, self.headers["host"], path, pairs, headers, self.body, project_id)
