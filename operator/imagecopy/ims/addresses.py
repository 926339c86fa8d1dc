"""Decides which IP addresses the operator never connects to, so that a provider can't make it call internal services.

The author of a provider chooses a host that the operator calls, and DNS decides what its name resolves to. So the
resolved addresses are checked: loopback, link-local, the cluster's and other special addresses are refused. Private
ones (RFC 1918, 100.64.0.0/10, fc00::/7) are allowed, because a cloud's services may have them inside its network.

Sources: IANA's registries of special-purpose IPv4 and IPv6 addresses; RFC 4291, 6052, 3056, 4380 and 2765 for the
IPv6 addresses that have an IPv4 address in them.
"""

import socket
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

NETWORKS_SETTING = "IMAGECOPY_CLUSTER_NETWORKS"

_REFUSED_V4: tuple[tuple[IPv4Network, str], ...] = (
    (IPv4Network("0.0.0.0/8"), "an unspecified address"),
    (IPv4Network("127.0.0.0/8"), "a loopback address"),
    (IPv4Network("169.254.0.0/16"), "a link-local address, where clouds have their metadata service"),
    (IPv4Network("192.0.0.0/24"), "a reserved address"),
    (IPv4Network("224.0.0.0/4"), "a multicast address"),
    (IPv4Network("255.255.255.255/32"), "the broadcast address"),
    (IPv4Network("240.0.0.0/4"), "a reserved address"),
)
_REFUSED_V6: tuple[tuple[IPv6Network, str], ...] = (
    (IPv6Network("::/128"), "the unspecified address"),
    (IPv6Network("::1/128"), "the loopback address"),
    (IPv6Network("fe80::/10"), "a link-local address"),
    (IPv6Network("ff00::/8"), "a multicast address"),
    (IPv6Network("64:ff9b:1::/48"), "an address of a local translator to IPv4"),
)
_IN_USE_V6 = (IPv6Network("2000::/3"), IPv6Network("fc00::/7"))
"""Global unicast and unique local addresses; no others are assigned to hosts."""

_METADATA = frozenset(
    map(ip_address, ("100.100.100.200", "168.63.129.16", "fd00:ec2::254", "fd20:ce::254", "fd00:c1::a9fe:a9fe"))
)
"""Addresses of the metadata services of other clouds: Alibaba, Azure, AWS, Google, Oracle."""

_LAST_32_BITS = tuple(
    map(
        IPv6Network,
        (
            "::/96",  # IPv4-compatible
            "::ffff:0:0/96",  # IPv4-mapped
            "::ffff:0:0:0/96",  # IPv4-translated
            "64:ff9b::/96",  # NAT64
        ),
    )
)
_6TO4 = IPv6Network("2002::/16")
_TEREDO = IPv6Network("2001::/32")


def is_own(address: Address) -> bool:
    """Tell whether ``address`` is one of this machine or Pod, by asking the kernel for a route; nothing is sent."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((str(address), 9))
            source = probe.getsockname()[0]
    except OSError:
        return False
    return ip_address(source) == address


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressRules:
    """The addresses that are refused in addition to those that are special everywhere.

    ``api_servers`` are hosts, names or addresses, of the Kubernetes API server. ``is_own`` tells an address of this
    machine.
    """

    cluster_networks: tuple[Network, ...] = ()
    api_servers: tuple[str, ...] = ()
    is_own: Callable[[Address], bool] = is_own

    def why_refused(self, address: Address, api_addresses: Collection[Address] = ()) -> str | None:
        """Return what ``address`` is, in words that go on after "is", if it must not be called; else None.

        ``api_addresses``: what ``api_servers`` resolve to.
        """
        for form in _forms(address):
            why = _why_special(form) or self._why_here(form, api_addresses)
            if why is not None:
                return why if form is address else f"{why}, as {form} in IPv6 form"
        return None

    def _why_here(self, address: Address, api_addresses: Collection[Address]) -> str | None:
        if address in api_addresses:
            return "the Kubernetes API server's address"
        for network in self.cluster_networks:
            if address in network:
                return f"in {network}, a network of this cluster ({NETWORKS_SETTING})"
        if self.is_own(address):
            return "the operator's own address"
        return None


def parse_networks(text: str) -> tuple[Network, ...]:
    """Parse comma-separated CIDRs; a single address is a network of one.

    Raises:
        ValueError: an entry is not a network; the message names it and what to write.
    """
    networks = []
    for entry in filter(None, (part.strip() for part in text.split(","))):
        try:
            networks.append(ip_network(entry))
        except ValueError:
            try:
                meant = ip_network(entry, strict=False)
            except ValueError:
                raise ValueError(
                    f"{entry!r} is no network: write CIDRs such as 10.244.0.0/16 or fd00:10:244::/56, "
                    "separated by commas"
                ) from None
            raise ValueError(f"{entry!r} has bits set beyond its prefix: write {meant}") from None
    return tuple(networks)


def as_address(host: str) -> Address | None:
    """Return ``host`` as an address without a zone, None if it is a name."""
    try:
        address = ip_address(host.strip("[]"))
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        return IPv6Address(int(address))
    return address


def _forms(address: Address) -> Iterator[Address]:
    """Yield ``address``, and the IPv4 addresses that are embedded in it."""
    yield address
    if not isinstance(address, IPv6Address):
        return
    bits = int(address)
    if any(address in network for network in _LAST_32_BITS) and bits > 1:
        yield IPv4Address(bits & 0xFFFFFFFF)
    elif address in _6TO4:
        yield IPv4Address(bits >> 80 & 0xFFFFFFFF)
    elif address in _TEREDO:
        yield IPv4Address(bits >> 64 & 0xFFFFFFFF)  # the Teredo server
        yield IPv4Address(~bits & 0xFFFFFFFF)  # the client, with its bits turned round


def _why_special(address: Address) -> str | None:
    if address in _METADATA:
        return "a metadata service's address"
    if isinstance(address, IPv4Address):
        return next((why for network, why in _REFUSED_V4 if address in network), None)
    why = next((why for network, why in _REFUSED_V6 if address in network), None)
    if why is None and not any(address in network for network in (*_IN_USE_V6, *_LAST_32_BITS)):
        why = "a reserved address"
    return why
