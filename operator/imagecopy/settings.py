"""The settings of the operator: IMAGECOPY_* environment variables, each with its default, unit and reason."""

import os
import re
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from imagecopy.api.ambient import IDENTITY_TOKEN_FILE, METADATA_ENDPOINT, Ambient, AmbientCredentials
from imagecopy.ims import DEFAULT_ALLOWLIST, Allowlist, Network, parse_networks

PREFIX = "IMAGECOPY_"

_ENDPOINT = re.compile(r"^https?://[A-Za-z0-9._:\[\]-]+/?$")
_NAMESPACE = re.compile(r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")


class LogFormat(StrEnum):
    """The format of log lines."""

    JSON = "json"
    CONSOLE = "console"


class LogLevel(StrEnum):
    """The lowest level that is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def _valid_allowlist(text: str) -> str:
    Allowlist.parse(text)
    return text


def _absolute(path: str) -> str:
    if not path.startswith("/"):
        raise ValueError("give an absolute path")
    return path


def _endpoint(url: str) -> str:
    if not _ENDPOINT.match(url):
        raise ValueError("give scheme, host and port only, such as http://169.254.169.254")
    return url.rstrip("/")


Port = Annotated[int, Field(ge=0, le=65535)]


class BadSettings(Exception):
    """An environment variable has a value that can't be used; the message names it and says what is allowed."""


class Settings(BaseSettings):
    """The settings. Their variables have the prefix ``IMAGECOPY_`` and are in capitals."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="ignore", env_ignore_empty=True, use_attribute_docstrings=True
    )

    namespaces: Annotated[tuple[str, ...], NoDecode] = ()
    """Comma-separated namespaces to watch. Default: all. With them, the operator needs fewer rights."""

    installation_id: str | None = Field(default=None, min_length=1, max_length=253, pattern=r"^[A-Za-z0-9._-]+$")
    """A name that marks the copies of this installation. Default: the uid of the namespace kube-system. Set it to let a
    rebuilt cluster recognise the copies that the old one made. Two clusters must never have the same."""

    log_format: LogFormat = LogFormat.JSON
    """json for machines, console for people."""

    log_level: LogLevel = LogLevel.INFO
    """debug, info, warning or error; debug logs every call of the cloud."""

    health_port: Port = 8080
    """Port of /healthz and /readyz; 0 turns it off."""

    metrics_port: Port = 9090
    """Port of /metrics; 0 turns it off."""

    min_poll_seconds: float = Field(default=2.0, ge=0.1, le=3600)
    """Shortest pause between two polls of one job, in seconds. It keeps the operator below the cloud's limits."""

    max_poll_seconds: float = Field(default=120.0, ge=1, le=3600)
    """Longest pause between two polls of one job, in seconds. A job that ends early is noticed this late at most."""

    settle_seconds: float = Field(default=300.0, ge=1, le=86400)
    """How long a copy whose reply was lost may take to appear in the cloud's image list, in seconds (settle window).
    The next attempt starts only after that. Where the cloud lists copies only when they are done, set it above the time
    that a copy takes."""

    sweep_seconds: float = Field(default=900.0, ge=0, le=86400)
    """Pause between two inventories, in seconds; 0 turns them off. An inventory checks, with one list call for each
    provider, whether the images of finished copies still exist."""

    provider_check_seconds: float = Field(default=300.0, ge=0, le=86400)
    """Pause between two checks of a provider that copies use (one call for the quota), in seconds. 0: a provider is
    checked only when it appears, changes or is broken. A provider that no copy uses is not called."""

    calls_per_second: float = Field(default=10.0, ge=0.1, le=1000)
    """Budget of calls of the cloud per second, for each provider, to keep all copies together below its limit."""

    endpoint_allowlist: Annotated[str, AfterValidator(_valid_allowlist)] = DEFAULT_ALLOWLIST
    """Comma-separated hosts that providers may name: host, host:port, *.domain, or with {region} as a label. Logins are
    sent to them, so only IAM and IMS of the known clouds are allowed by default. Plain http, and addresses that are
    otherwise refused (loopback, link-local, the API server's, the cluster's), need a host named in full here."""

    cluster_networks: Annotated[tuple[Network, ...], NoDecode] = ()
    """Comma-separated CIDRs of the cluster's Pods, Services and nodes. No provider's host may resolve to them, so that
    the author of a provider can't make the operator call services inside the cluster."""

    ambient_credentials: AmbientCredentials = AmbientCredentials.CLUSTER_IMAGE_PROVIDERS
    """Which providers may use the operator's own identity in the cloud (node agency, Pod Identity, OpenID Connect):
    None, ClusterImageProviders or All. With All, everybody who may create an ImageProvider has its rights."""

    identity_token_file: Annotated[str, AfterValidator(_absolute)] = IDENTITY_TOKEN_FILE
    """File with the service account token that the cloud's identity provider trusts; it is read for each login. It is a
    setting, not a key of a Secret, so that no Secret can make the operator send another of its files."""

    metadata_endpoint: Annotated[str, AfterValidator(_endpoint)] = METADATA_ENDPOINT
    """URL of the node's metadata service, for its agency. Only for tests, and for clouds with another address."""

    @field_validator("namespaces", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        names = tuple(name.strip() for name in value.split(",") if name.strip())
        for name in names:
            if not _NAMESPACE.match(name):
                raise ValueError(f"{name!r} is not a namespace name: give names, separated by commas")
        if value and not names:
            raise ValueError("names no namespace: leave the variable out to watch all of them")
        return names

    @field_validator("cluster_networks", mode="before")
    @classmethod
    def _networks(cls, value: object) -> object:
        return parse_networks(value) if isinstance(value, str) else value

    @field_validator("ambient_credentials", mode="before")
    @classmethod
    def _any_case_of_ambient(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return next((known for known in AmbientCredentials if known.lower() == value.strip().lower()), value)

    @field_validator("log_format", "log_level", mode="before")
    @classmethod
    def _any_case(cls, value: object) -> object:
        return value.strip().lower() if isinstance(value, str) else value

    @model_validator(mode="after")
    def _in_order(self) -> "Settings":
        if self.min_poll_seconds > self.max_poll_seconds:
            raise ValueError(
                f"IMAGECOPY_MIN_POLL_SECONDS ({self.min_poll_seconds:g}) must not exceed "
                f"IMAGECOPY_MAX_POLL_SECONDS ({self.max_poll_seconds:g})"
            )
        return self

    @property
    def allowlist(self) -> Allowlist:
        """The hosts that may be called."""
        return Allowlist.parse(self.endpoint_allowlist)

    @property
    def ambient(self) -> Ambient:
        """Who may use the operator's own identity, and where it is."""
        return Ambient(
            allowed=self.ambient_credentials,
            identity_token_file=self.identity_token_file,
            metadata_endpoint=self.metadata_endpoint,
        )


def load() -> Settings:
    """Read the environment.

    Raises:
        BadSettings: a value can't be used; each such variable is named.
    """
    try:
        return Settings()
    except ValidationError as exc:
        lines = []
        for error in exc.errors():
            name = PREFIX + "_".join(str(part) for part in error["loc"][:1]).upper() if error["loc"] else ""
            given = f"={error['input']!r}" if name else ""
            lines.append(f"{name}{given}: {_without_value(error)}".lstrip(": "))
        raise BadSettings(_listed(lines)) from None


def _without_value(error: ErrorDetails) -> str:
    """Return the message without the value, which stands before it already."""
    message = error["msg"].removeprefix("Value error, ")
    return message.removeprefix(f"{error['input']!r}: ").removeprefix(f"{error['input']!r} ")


def _listed(lines: list[str]) -> str:
    if len(lines) == 1:
        return lines[0]
    return "\n".join(["these settings can't be used:", *(f"- {line}" for line in lines)])


def describe() -> str:
    """Return the list of all settings, for ``imagecopy run --help``."""
    parts = []
    for name, field in Settings.model_fields.items():
        default = "" if field.default in (None, ()) else f" [default: {getattr(field.default, 'value', field.default)}]"
        text = " ".join((field.description or "").split())
        parts.append(f"{PREFIX}{name.upper()}{default}\n{text}")
    return "\n\n".join(parts)


def unknown_variables() -> list[str]:
    """Return the names of variables that have our prefix but are no setting: probably misspelt."""
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    return sorted(name for name in os.environ if name.startswith(PREFIX) and name not in known)
