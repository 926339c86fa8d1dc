"""Ways to authenticate in the simulated cloud: agencies, temporary keys and an OpenID Connect issuer."""

from __future__ import annotations

import base64
import json
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from simulator.harness import Answer, Sim

AGENT = 2
"""The login with the role Agent Operator."""


TOKENS = "/v3/auth/tokens"


KEYS = "/v3.0/OS-CREDENTIAL/securitytokens"


ID_TOKENS = "/v3.0/OS-AUTH/id-token/tokens"


SUBJECT = "system:serviceaccount:imagecopy-system:imagecopy-operator"


def agency(sim: Sim, name: str) -> Any:
    return next(known for known in sim.config["agencies"] if known["name"] == name)


def assume(sim: Sim, name: str = "sim-copy-agency", key: str = "agency_name", **more: object) -> dict[str, Any]:
    role = {"domain_name": "sim-partner", key: name, **more}
    return {"identity": {"methods": ["assume_role"], "assume_role": role}}


def by_token(**token: object) -> dict[str, Any]:
    """The body of a request for temporary keys by a token."""
    return {"auth": {"identity": {"methods": ["token"], "token": token}}}


async def temporary_key(sim: Sim) -> Any:
    answer = await sim.call("POST", KEYS, by_token(duration_seconds=900))
    assert answer.status == 201, answer.text
    return answer.body["credential"]


async def agent_token(sim: Sim, login: int = AGENT) -> str:
    return await sim.login(scope={"domain": {"name": "sim-domain"}}, login=login)


async def agency_token(sim: Sim, name: str = "sim-copy-agency", login: int = AGENT, key: str = "agency_name") -> Answer:
    body = assume(sim, name, key)
    known = next((one for one in sim.config["agencies"] if one["name"] == name), sim.config["agencies"][0])
    scope = {"project": {"id": known["project_id"]}}
    return await sim.call("POST", TOKENS, {"auth": {**body, "scope": scope}}, token=await agent_token(sim, login))


class Issuer:
    """An API server that signs service account tokens."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        numbers = self.key.public_key().public_numbers()
        self.jwks = {"keys": [{"kty": "RSA", "kid": "1", "n": self._number(numbers.n), "e": self._number(numbers.e)}]}

    @staticmethod
    def _number(value: int) -> str:
        return Issuer._part(value.to_bytes((value.bit_length() + 7) // 8, "big"))

    @staticmethod
    def _part(value: bytes) -> str:
        return base64.urlsafe_b64encode(value).decode().rstrip("=")

    def token(self, now: float, **changes: object) -> str:
        header = {"alg": changes.pop("alg", "RS256"), "kid": changes.pop("kid", "1")}
        claims = {"iss": "https://k8s", "aud": ["imagecopy"], "sub": SUBJECT, "exp": now + 600, **changes}
        signed = ".".join(self._part(json.dumps(part).encode()) for part in (header, claims))
        signature = self.key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{self._part(signature)}"


async def trust(sim: Sim, issuer: Issuer, **changes: object) -> None:
    order = {"issuer": "https://k8s", "audience": "imagecopy", "jwks": issuer.jwks, **changes}
    answer = await sim.control("PUT", "/identity_providers/k8s", order)
    assert answer.status == 200, answer.text


async def exchange(sim: Sim, token: str, provider: str = "k8s") -> Answer:
    body = {"auth": {"id_token": {"id": token}, "scope": {"project": {"name": "eu-sim-1"}}}}
    return await sim.call("POST", ID_TOKENS, body, headers={"X-Idp-Id": provider}, token="")
