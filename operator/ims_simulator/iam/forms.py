"""Bodies of IAM calls."""

from __future__ import annotations

from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError

from ims_simulator.parsing import parse_json, problems_of
from ims_simulator.replies.errors import KeystoneError

Form = TypeVar("Form", bound=BaseModel)
Auth = TypeVar("Auth", bound=BaseModel)


class Named(BaseModel):
    """A project or a domain, by id or by name; the id counts where both are given."""

    id: str | None = None
    name: str | None = None


class Scope(BaseModel):
    """What a token is to be good for; the project wins where both are given."""

    project: Named | None = None
    domain: Named | None = None


class Scoped(BaseModel):
    """The part that every `auth` object has."""

    scope: Scope | None = None


class Body(BaseModel, Generic[Auth]):
    """The body of every call that gets a token or a key."""

    auth: Auth


def unsupported(methods: list[str]) -> KeystoneError:
    """The refusal of authentication methods that a call does not take."""
    return KeystoneError(400, f"The authentication methods {methods} are not supported.")


def parse_form(raw: bytes, form: type[Form]) -> Form:
    """A body as its form. Raises: KeystoneError 400."""
    try:
        return form.model_validate(parse_json(raw))
    except ValidationError as error:
        raise KeystoneError(400, f"Expecting to find {problems_of(error)[0][0]} in the request body.") from None
    except ValueError:
        raise KeystoneError(400, "The request body is invalid.") from None
