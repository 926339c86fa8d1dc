"""The request bodies of IAM calls."""

from __future__ import annotations

from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError

from ims_simulator.parsing import parse_json, problems_of
from ims_simulator.replies.errors import KeystoneError

Form = TypeVar("Form", bound=BaseModel)
Auth = TypeVar("Auth", bound=BaseModel)


class Named(BaseModel):
    """A project or a domain, given by id or by name. If both are given, the id counts."""

    id: str | None = None
    name: str | None = None


class Scope(BaseModel):
    """The scope of a token: a project or a domain. If both are given, the project counts."""

    project: Named | None = None
    domain: Named | None = None


class Scoped(BaseModel):
    """Base of the `auth` objects: each may have a scope."""

    scope: Scope | None = None


class Body(BaseModel, Generic[Auth]):
    """The body of a call that asks for a token or a key."""

    auth: Auth


def unsupported(methods: list[str]) -> KeystoneError:
    """The refusal of authentication methods that a call does not support."""
    return KeystoneError(400, f"The authentication methods {methods} are not supported.")


def parse_form(raw: bytes, form: type[Form]) -> Form:
    """Read a body. Raises: KeystoneError 400."""
    try:
        return form.model_validate(parse_json(raw))
    except ValidationError as error:
        raise KeystoneError(400, f"Expecting to find {problems_of(error)[0][0]} in the request body.") from None
    except ValueError:
        raise KeystoneError(400, "The request body is invalid.") from None
