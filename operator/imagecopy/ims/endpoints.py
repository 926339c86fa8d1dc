"""The allowlist of hosts that the operator may call, and the endpoints of the known clouds.

Anybody who may create providers chooses their endpoints, and the requests carry a login. The allowlist is a setting of
the operator's administrator and limits which hosts can be reached at all. So an endpoint can't be used to explore the
cluster's network, or to send a login to another party.
"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import httpx

from imagecopy.ims.errors import EndpointNotAllowed

SETTING = "IMAGECOPY_ENDPOINT_ALLOWLIST"

DEFAULT_ALLOWLIST = (
    "iam.{region}.myhuaweicloud.com,ims.{region}.myhuaweicloud.com,"
    "iam.{region}.otc.t-systems.com,ims.{region}.otc.t-systems.com,"
    "iam-pub.{region}.sc.otc.t-systems.com,iam.{region}.sc.otc.t-systems.com,"
    "ims-pub.{region}.sc.otc.t-systems.com,ims.{region}.sc.otc.t-systems.com,"
    "iam.{region}.prod-cloud-ocb.orange-business.com,ims.{region}.prod-cloud-ocb.orange-business.com"
)
"""The hosts of IAM and IMS in the known clouds. Their whole domains are not allowed, because anybody can rent a name
below them (a bucket, a gateway) and would receive the login of a provider."""

_DEFAULT_PORTS = {"https": 443, "http": 80}
_LABEL = re.compile(r"^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?$")
_ANY_REGION = "{region}"
_PLACEHOLDER = "any-region"
_A_REGION = r"[a-z]{2}(?:-[a-z0-9]+)+"
"""The pattern of region names: two letters first. No domain of a service, bucket or gateway has such a label."""
_NUMBER = re.compile(r"^(0x[0-9a-f]*|[0-9]+)$")
_REGION = re.compile(r"^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$")
_SUCH_AS = "such as https://ims.eu-de.otc.t-systems.com"
_VERSION = re.compile(r"^/v\d+(\.\d+)*$")


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The endpoints of a cloud. ``ims`` is None where only the token's catalogue has it."""

    ims: str | None
    iam: str


_CLOUDS: Mapping[str, Endpoints] = {
    # Source: huaweicloudsdkims 3.1, ims_region.py, and huaweicloudsdkcore, endpoint.py
    "HuaweiCloud": Endpoints(
        ims="https://ims.{region}.myhuaweicloud.com", iam="https://iam.{region}.myhuaweicloud.com"
    ),
    # Source: OTC API reference, "Endpoints"
    "OpenTelekomCloud": Endpoints(
        ims="https://ims.{region}.otc.t-systems.com", iam="https://iam.{region}.otc.t-systems.com"
    ),
    # Source: Swiss OTC API reference, "Authentication". No page names a host for IMS, so the catalogue has to.
    "SwissOTC": Endpoints(ims=None, iam="https://iam-pub.{region}.sc.otc.t-systems.com"),
    # Source: FlexibleEngine's public scripts for IMS; IAM follows its pattern
    "FlexibleEngine": Endpoints(
        ims="https://ims.{region}.prod-cloud-ocb.orange-business.com",
        iam="https://iam.{region}.prod-cloud-ocb.orange-business.com",
    ),
}

KNOWN_CLOUDS = tuple(_CLOUDS)


def cloud_endpoints(cloud: str, region: str) -> Endpoints:
    """Return the endpoints of a known cloud in ``region``.

    Raises:
        ValueError: the cloud is not known, or ``region`` could not be part of a host name.
    """
    if cloud not in _CLOUDS:
        raise ValueError(f"{cloud!r} is no known cloud; known: {', '.join(KNOWN_CLOUDS)}")
    if not _REGION.match(region):
        raise ValueError(f"{region!r} is no name of a region: letters, digits and hyphens, such as eu-de")
    known = _CLOUDS[cloud]
    return Endpoints(ims=known.ims.format(region=region) if known.ims else None, iam=known.iam.format(region=region))


@dataclass(frozen=True, slots=True)
class _Pattern:
    host: str
    """Without a leading ``*.``, as it was written."""
    port: int | None
    below: bool
    """Whether it matches all hosts below."""

    @classmethod
    def parse(cls, entry: str) -> Self:
        below = entry.startswith("*.")
        rest = entry[2:] if below else entry
        if "://" in entry or "/" in entry or "@" in entry or any(c.isspace() for c in entry):
            raise ValueError(f"{entry!r}: write host, *.domain or host:port, without scheme, path or blanks")
        if "*" in rest:
            raise ValueError(f"{entry!r}: a wildcard is only possible as the whole first label, as in *.example.com")
        try:
            url = httpx.URL(f"//{rest.replace(_ANY_REGION, _PLACEHOLDER)}")
        except httpx.InvalidURL as exc:
            raise ValueError(f"{entry!r}: {exc}") from None
        host = _host(url)
        if not host or url.query or url.fragment or rest.endswith(":"):
            raise ValueError(f"{entry!r}: write host, *.domain or host:port")
        if not _is_address(host) and not all(_LABEL.match(label) for label in host.split(".")):
            raise ValueError(f"{entry!r}: {host!r} is no host name")
        if _is_odd_address(host):
            raise ValueError(f"{entry!r}: write an address in full, as in 192.0.2.1")
        if below and _is_address(host):
            raise ValueError(f"{entry!r}: an address has no subdomains")
        if url.port is not None and not 1 <= url.port <= 65535:
            raise ValueError(f"{entry!r}: {url.port} is no port")
        labels = [_ANY_REGION if label == _PLACEHOLDER else label for label in host.split(".")]
        if labels.count(_ANY_REGION) != rest.count(_ANY_REGION) or labels[-1] == _ANY_REGION:
            raise ValueError(f"{entry!r}: {_ANY_REGION} stands for a whole label, as in ims.{_ANY_REGION}.example.com")
        host = ".".join(labels)
        return cls(host, url.port, below)

    @property
    def in_full(self) -> bool:
        """Whether it names one host."""
        return not self.below and _ANY_REGION not in self.host

    def matches(self, scheme: str, host: str, port: int) -> bool:
        if scheme == "http" and not self.in_full:
            return False
        if port != (_DEFAULT_PORTS[scheme] if self.port is None else self.port):
            return False
        if self.in_full:
            return host == self.host
        expression = re.escape(self.host).replace(re.escape(_ANY_REGION), _A_REGION)
        return re.fullmatch((r"(?:[^.]+\.)+" if self.below else "") + expression, host) is not None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'*.' if self.below else ''}{host}{'' if self.port is None else f':{self.port}'}"


@dataclass(frozen=True, slots=True)
class Allowlist:
    """The hosts that the operator lets providers name.

    - ``ims.example.com`` allows that host, at the default port (443, or 80 for http).
    - ``ims.example.com:8443`` allows that host at that port only.
    - ``*.example.com`` allows every host below, however deep, but not ``example.com``; with or without a port.
    - ``ims.{region}.example.com`` allows that host in every region: one label such as ``eu-de`` in that place.
    - Addresses are hosts like others: ``127.0.0.1:8080``, ``[::1]:8080``. A name is not resolved for the check.

    https is required, except for hosts that are named in full, without ``*`` and ``{region}``: naming one says that
    plain http, and so a login readable on the way, is accepted there, and whatever address it has (see
    :class:`imagecopy.ims.guard.Guard`).
    """

    patterns: tuple[_Pattern, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a comma-separated list; blanks around entries and empty entries are fine.

        Raises:
            ValueError: an entry is malformed, or there is none. The message names the entry.
        """
        entries = [entry.strip().lower() for entry in text.split(",")]
        patterns = tuple(_Pattern.parse(entry) for entry in entries if entry)
        if not patterns:
            raise ValueError(f"no host is named, so no cloud could be reached; the default is {DEFAULT_ALLOWLIST}")
        return cls(patterns)

    @classmethod
    def default(cls) -> Self:
        """Return the allowlist of the known clouds."""
        return cls.parse(DEFAULT_ALLOWLIST)

    def check(self, url: str | httpx.URL) -> None:
        """Do nothing if ``url`` may be requested.

        Raises:
            EndpointNotAllowed: it may not; the message names the host and the operator's setting.
        """
        parsed = _parse(url)
        host = _host(parsed)
        port = parsed.port or _DEFAULT_PORTS[parsed.scheme]
        if self._allows(parsed.scheme, host, port):
            return
        shown = f"[{host}]" if ":" in host else host
        named = shown if port == _DEFAULT_PORTS[parsed.scheme] else f"{shown}:{port}"
        plain = f"plain http to {named} is not allowed: write"
        # A URL without a port means another port as soon as it begins with https.
        if parsed.scheme == "http" and parsed.port is None and self._allows("https", host, _DEFAULT_PORTS["https"]):
            raise EndpointNotAllowed(f"{plain} https:// in spec.endpoints")
        if parsed.scheme == "http" and self._allows("https", host, port):
            raise EndpointNotAllowed(
                f"{plain} https://{shown}:{port} in spec.endpoints, or have the operator's administrator name {named} "
                f"in full, without a wildcard, in {SETTING}"
            )
        raise EndpointNotAllowed(
            f"the host {named} is not allowed: the operator's administrator has to add it to {SETTING} "
            f"(now: {', '.join(map(str, self.patterns))})"
        )

    def _allows(self, scheme: str, host: str, port: int) -> bool:
        return any(pattern.matches(scheme, host, port) for pattern in self.patterns)

    def names_in_full(self, host: str, port: int) -> bool:
        """Tell whether ``host`` at ``port`` is named without a wildcard."""
        name = _normal(host)
        return any(
            pattern.in_full and pattern.matches(scheme, name, port)
            for pattern in self.patterns
            for scheme in _DEFAULT_PORTS
        )

    def endpoint(self, url: str, named: str = "the provider's spec.endpoints") -> str:
        """Return ``url`` as scheme, host and port, if it may be requested. A trailing version (``/v3``) is dropped.

        ``named``: where it comes from, for people.

        Raises:
            EndpointNotAllowed: it may not, or it is more than an endpoint (path, query, login).
        """
        try:
            parsed = _parse(url)
        except EndpointNotAllowed as exc:
            raise EndpointNotAllowed(f"{named}: {exc.message}") from None
        path = parsed.path.rstrip("/")
        if parsed.query or parsed.fragment or (path and not _VERSION.match(path)):
            raise EndpointNotAllowed(
                f"{named}: the URL of {parsed.host} has more than a host: write {parsed.scheme}://"
                f"{parsed.netloc.decode('ascii')} and leave out {_shown(path or '?...')}"
            )
        self.check(parsed)
        return f"{parsed.scheme}://{parsed.netloc.decode('ascii')}"


def default_port(scheme: str) -> int:
    """Return the port of ``http`` or ``https``."""
    return _DEFAULT_PORTS[scheme]


def _parse(url: str | httpx.URL) -> httpx.URL:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:  # its words may quote a login
        raise EndpointNotAllowed(f"this is no URL: write one {_SUCH_AS}") from None
    if parsed.userinfo:
        raise EndpointNotAllowed(
            f"the URL of {_shown(parsed.host)} carries a login: take it out, logins belong into the provider's Secret"
        )
    if "://" not in str(url):
        raise EndpointNotAllowed(f"{_shown(str(url))!r} has no scheme: write https:// in front of the host, {_SUCH_AS}")
    if parsed.scheme not in _DEFAULT_PORTS or not parsed.host:
        raise EndpointNotAllowed(f"{_shown(str(url))!r} is no https URL with a host: write one {_SUCH_AS}")
    if _is_odd_address(_host(parsed)):
        raise EndpointNotAllowed(f"{_shown(parsed.host)!r} is neither a name nor a whole address: write one {_SUCH_AS}")
    return parsed


def _shown(text: str) -> str:
    """Return what may be quoted of a URL that is malformed: nothing that could be a login or a query."""
    return text.rpartition("@")[2].partition("?")[0][:100]


def _host(url: httpx.URL) -> str:
    """Return the host as the client would connect to it: lower case, punycode, IPv6 in its short form."""
    return _normal(url.raw_host.decode("ascii"))


def _normal(host: str) -> str:
    host = host.lower().strip("[]")
    if _is_address(host):
        return str(ipaddress.ip_address(host))
    return host.removesuffix(".")


def _is_odd_address(host: str) -> bool:
    """Tell whether ``host`` is an address that only the C library takes for one: ``127.1``, ``0x7f.1``, ``2130706433``.

    A name never ends in a number. Source: URL Standard, "ends in a number checker".
    """
    return not _is_address(host) and _NUMBER.match(host.rpartition(".")[2]) is not None


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
