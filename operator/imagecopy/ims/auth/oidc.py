"""Authentication by the operator's service account token, which the cloud's IAM trusts (OpenID Connect).

Source: OTC and Huawei Cloud API reference, IAM, "Obtaining a Token with an OpenID Connect ID Token". The identity
provider is one of "programmatic access" with the cluster's signing keys, and its rules map the token to a user group.
"""

from imagecopy.ims.auth.credentials import Hidden, IdentityProviderCredentials
from imagecopy.ims.auth.files import read_token
from imagecopy.ims.auth.iam import ID_TOKENS_PATH, Advice, Iam, project_advice, scope_of
from imagecopy.ims.auth.renewal import Fresh
from imagecopy.ims.auth.tokens import TokenSession, fresh_token
from imagecopy.ims.errors import Misconfigured

_SETTING = "IMAGECOPY_IDENTITY_TOKEN_FILE"


class IdentityTokenLogin:
    """Exchanges the service account token for a token of the cloud."""

    def __init__(self, iam: Iam, credentials: IdentityProviderCredentials, region: str | None) -> None:
        self._iam = iam
        self._credentials = credentials
        self._region = region

    def __repr__(self) -> str:
        return f"{self._iam!r}, {self._credentials!r}"

    async def __call__(self) -> Fresh[TokenSession]:
        """Log in with the current token: the kubelet replaces it before it expires."""
        credentials = self._credentials
        scope = scope_of(credentials.project, self._region)
        try:
            token = read_token(credentials.token_file)
        except ValueError as exc:
            raise Misconfigured(
                f"the operator has no identity token: {exc}; mount a projected service account token there, or say in "
                f"{_SETTING} where it is"
            ) from None
        reply = await self._iam.ask(
            ID_TOKENS_PATH,
            body={"auth": {"id_token": {"id": token}, "scope": scope}},
            headers={"X-Idp-Id": credentials.identity_provider_id},
            hidden=Hidden.of(token),
            advice=Advice(
                refused=f"check {credentials.keys}, and that the identity provider has this cluster's keys and issuer, "
                f"and the audience of the token in {credentials.token_file}",
                misconfigured=f"check {credentials.keys}; {project_advice(credentials.project, self._region)}",
            ),
        )
        return fresh_token(reply, self._region)
