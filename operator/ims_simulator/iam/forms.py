"""Bodies of IAM calls."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from ims_simulator.parsing import parse_json
from ims_simulator.replies.errors import KeystoneError

Form = TypeVar("Form", bound=BaseModel)


class Named(BaseModel):
    """A project or a domain, by id or by name; the id counts where both are given."""

    id: str | None = None
    name: str | None = None


class Scope(BaseModel):
    """What a token is to be good for; the project wins where both are given."""

    project: Named | None = None
    domain: Named | None = None


def parse_form(raw: bytes, form: type[Form]) -> Form:
    """A body as its form. Raises: KeystoneError 400."""
    try:
        return form.model_validate(parse_json(raw))
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"]))
        raise KeystoneError(400, f"Expecting to find {where} in the request body.") from None
    except ValueError:
        raise KeystoneError(400, "The request body is invalid.") from None
