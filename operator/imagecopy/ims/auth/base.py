"""The interface between the client and the authentication methods."""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Generator
from dataclasses import dataclass

import httpx

Clock = Callable[[], float]
"""Seconds that only go forward."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """The project of a login. ``ims_endpoint`` comes from the cloud's catalogue, if it has one."""

    project_id: str
    project_name: str | None = None
    ims_endpoint: str | None = None


class ImsAuth(httpx.Auth, ABC):
    """Signs requests, and knows the project they are for.

    An implementation answers a 401 with at most one more request, under fresh credentials, and lets no login be
    refused five times in a quarter of an hour, whoever calls.
    """

    @abstractmethod
    async def session(self) -> Session:
        """Return what is known about the project, logging in if that takes a login.

        Raises:
            CredentialsInvalid: the login is refused, or was and is not tried yet.
            SurelyNotDone: no login was possible for another reason.
        """

    @abstractmethod
    def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Send ``request`` with a token or signature; called by httpx.

        Raises:
            CredentialsInvalid: the cloud does not take the login, even a fresh one.
            SurelyNotDone: no login was possible for another reason.
        """

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Refuse: there is no synchronous client."""
        raise RuntimeError("the cloud's clients are asynchronous")
