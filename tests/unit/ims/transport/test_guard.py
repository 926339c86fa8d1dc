"""The guard: what is resolved, what is judged, and where connections go."""

import asyncio
import socket
import threading
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Any

import httpcore
import pytest

from imagecopy.ims import AddressRules, Allowlist, EndpointNotAllowed, parse_networks
from imagecopy.ims.guard import Guard
from imagecopy.ims.resolver import Resolver

GOOD = "80.158.0.1"
GOOD_TOO = "80.158.0.2"
GOOD_V6 = "2a00:1450::1"
HOST = "ims.eu-de.example.com"


class Stream(httpcore.AsyncNetworkStream):
    def __init__(self, address: str) -> None:
        self.address = address
        self.closed = False

    async def aclose(self) -> None:
        self.closed = True


class Network(httpcore.AsyncNetworkBackend):
    """Connects to nothing, and keeps what it was asked to connect to."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.streams: list[Stream] = []
        self.refusing: set[str] = set()
        self.silent: set[str] = set()
        self.seconds: dict[str, float] = {}

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: Any = None,  # noqa: ASYNC109
        local_address: Any = None,
        socket_options: Any = None,
    ) -> httpcore.AsyncNetworkStream:
        self.asked.append(host)
        if host in self.silent:
            await asyncio.Event().wait()
        await asyncio.sleep(self.seconds.get(host, 0))
        if host in self.refusing:
            raise httpcore.ConnectError("refused")
        self.streams.append(Stream(host))
        return self.streams[-1]


class HangingLookup:
    """A DNS lookup that hangs until the event `go` is set."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.go = threading.Event()

    def __call__(self, host: str) -> list[str]:
        self.asked.append(host)
        self.go.wait(60)
        return [GOOD]


class Dns:
    """Answers look-ups in turn, the last answer for ever."""

    def __init__(self, *answers: Iterable[str], **others: Iterable[str]) -> None:
        self._answers = [list(answer) for answer in answers]
        self._others = {name.replace("_", "."): list(answer) for name, answer in others.items()}
        self.asked: list[str] = []

    def __call__(self, host: str) -> list[str]:
        self.asked.append(host)
        if host in self._others:
            return self._others[host]
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if not answer:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return answer


@pytest.fixture
def network() -> Network:
    return Network()


def guard_of(network: Network, dns: Dns, allowed: str = "*.example.com", **rules: Any) -> Guard:
    rules = {"is_own": lambda _: False, **rules}
    return Guard(Allowlist.parse(allowed), AddressRules(**rules), Resolver(dns), network)


async def test_a_connection_is_made_to_the_address_that_was_judged(network: Network) -> None:
    guard = guard_of(network, Dns([GOOD]))
    await guard.connect_tcp(HOST, 443, 5.0)
    assert network.asked == [GOOD]


async def test_a_name_is_resolved_once_so_that_it_can_not_change_its_meaning(network: Network) -> None:
    dns = Dns([GOOD], ["127.0.0.1"])
    guard = guard_of(network, dns)
    await guard.connect_tcp(HOST, 443, 5.0)
    assert dns.asked == [HOST]
    with pytest.raises(EndpointNotAllowed):
        await guard.connect_tcp(HOST, 443, 5.0)
    assert network.asked == [GOOD]


@pytest.mark.parametrize("answer", [["169.254.169.254"], [GOOD, "127.0.0.1"], [GOOD_V6, "::ffff:10.244.0.1"], ["::1"]])
async def test_one_bad_address_is_enough_for_a_refusal_before_anything_is_sent(
    network: Network, answer: list[str]
) -> None:
    guard = guard_of(network, Dns(answer), cluster_networks=parse_networks("10.244.0.0/16"))
    with pytest.raises(EndpointNotAllowed):
        await guard.connect_tcp(HOST, 443, 5.0)
    assert network.asked == []


async def test_the_refusal_names_host_address_reason_and_setting(network: Network) -> None:
    guard = guard_of(network, Dns(["10.244.3.7"]), cluster_networks=parse_networks("10.244.0.0/16"))
    with pytest.raises(EndpointNotAllowed) as caught:
        await guard.connect_tcp(HOST, 8443, 5.0)
    told = str(caught.value)
    for word in (HOST, "10.244.3.7", "10.244.0.0/16", "IMAGECOPY_CLUSTER_NETWORKS", f"names {HOST}:8443 in full"):
        assert word in told
    assert "IMAGECOPY_ENDPOINT_ALLOWLIST" in told


@pytest.mark.parametrize(
    ("allowed", "port", "goes"),
    [
        (HOST, 443, True),
        (f"{HOST}:8443", 8443, True),
        (f"{HOST}:8443,*.example.com", 443, False),
        ("*.example.com", 443, False),
        ("ims.{region}.example.com", 443, False),
        ("*.example.com:8443", 8443, False),
    ],
)
async def test_a_host_named_in_full_is_the_administrators_word(
    network: Network, allowed: str, port: int, goes: bool
) -> None:
    guard = guard_of(network, Dns(["127.0.0.1"]), allowed)
    if goes:
        await guard.connect_tcp(HOST, port, 5.0)
        assert network.asked == ["127.0.0.1"]
    else:
        with pytest.raises(EndpointNotAllowed):
            await guard.connect_tcp(HOST, port, 5.0)


async def test_an_address_is_not_looked_up(network: Network) -> None:
    dns = Dns([])
    guard = guard_of(network, dns)
    await guard.connect_tcp("80.158.0.1", 443, 5.0)
    with pytest.raises(EndpointNotAllowed, match=r"\[::1\] is the loopback address"):
        await guard.connect_tcp("::1", 443, 5.0)
    assert (dns.asked, network.asked) == ([], ["80.158.0.1"])


async def test_the_api_server_is_refused_by_its_address_and_by_what_its_name_resolves_to(network: Network) -> None:
    dns = Dns(["203.0.113.7"], kube_example_org=["203.0.113.7", "203.0.113.8"])
    for servers in (("203.0.113.7",), ("kube.example.org",)):
        guard = guard_of(network, dns, api_servers=servers)
        with pytest.raises(EndpointNotAllowed, match="API server"):
            await guard.connect_tcp(HOST, 443, 5.0)
    assert network.asked == []


async def test_an_api_server_whose_name_is_not_known_now_forbids_nothing(network: Network) -> None:
    def lookup(host: str) -> list[str]:
        if host == HOST:
            return [GOOD]
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure")

    rules = AddressRules(api_servers=("kube.example.org",), is_own=lambda _: False)
    guard = Guard(Allowlist.parse("*.example.com"), rules, Resolver(lookup), network)
    await guard.connect_tcp(HOST, 443, 5.0)
    assert network.asked == [GOOD]


@pytest.mark.looptime
async def test_a_dead_ipv6_does_not_break_a_good_ipv4(network: Network) -> None:
    network.silent = {GOOD_V6}
    stream = await guard_of(network, Dns([GOOD_V6, GOOD])).connect_tcp(HOST, 443, 5.0)
    assert isinstance(stream, Stream)
    assert stream.address == GOOD
    assert network.asked == [GOOD_V6, GOOD]


async def test_families_are_tried_in_turn(network: Network) -> None:
    network.refusing = {GOOD_V6, "2a00:1450::2", GOOD}
    await guard_of(network, Dns([GOOD_V6, "2a00:1450::2", GOOD, GOOD_TOO])).connect_tcp(HOST, 443, 5.0)
    assert network.asked == [GOOD_V6, GOOD, "2a00:1450::2", GOOD_TOO]


@pytest.mark.looptime
async def test_a_second_connection_that_comes_too_late_is_closed(network: Network) -> None:
    network.seconds = {GOOD: 0.5, GOOD_TOO: 0.25}
    stream = await guard_of(network, Dns([GOOD, GOOD_TOO])).connect_tcp(HOST, 443, 5.0)
    assert len(network.streams) == 2
    assert [opened for opened in network.streams if not opened.closed] == [stream]


async def test_all_addresses_that_failed_are_named(network: Network) -> None:
    network.refusing = {GOOD, GOOD_V6}
    with pytest.raises(httpcore.ConnectError, match=rf"{GOOD}: refused; {GOOD_V6}: refused"):
        await guard_of(network, Dns([GOOD, GOOD_V6])).connect_tcp(HOST, 443, 5.0)


@pytest.mark.looptime
async def test_addresses_that_do_not_answer_end_with_the_timeout(network: Network) -> None:
    network.silent = {GOOD, GOOD_TOO}
    with pytest.raises(httpcore.ConnectTimeout, match=rf"connecting to {GOOD}, {GOOD_TOO} took more than 5 s"):
        await guard_of(network, Dns([GOOD, GOOD_TOO])).connect_tcp(HOST, 443, 5.0)


async def test_a_name_without_addresses_is_a_failed_connection(network: Network) -> None:
    with pytest.raises(httpcore.ConnectError, match=rf"the name {HOST} does not resolve: Name or service not known"):
        await guard_of(network, Dns([])).connect_tcp(HOST, 443, 5.0)


async def test_a_resolver_that_hangs_is_not_waited_for_and_asked_once_by_all(network: Network) -> None:
    lookup = HangingLookup()
    guard = Guard(Allowlist.parse("*.example.com"), AddressRules(is_own=lambda _: False), Resolver(lookup), network)
    for _ in range(3):
        with pytest.raises(httpcore.ConnectTimeout, match="resolving the name took more than"):
            await guard.connect_tcp(HOST, 443, 0.01)
    lookup.go.set()
    await guard.connect_tcp(HOST, 443, 60.0)
    assert (lookup.asked, network.asked) == ([HOST], [GOOD])


async def test_few_names_are_resolved_at_a_time() -> None:
    lookup = HangingLookup()
    resolver = Resolver(lookup, threads=2)
    waiting = [asyncio.ensure_future(resolver.addresses(f"h{number}.example.com")) for number in range(5)]
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(lookup.asked) <= 2
    lookup.go.set()
    assert await asyncio.gather(*waiting) == [(ip_address(GOOD),)] * 5


async def test_a_failed_look_up_is_not_remembered() -> None:
    resolver = Resolver(Dns([], [GOOD]))
    with pytest.raises(OSError, match="not known"):
        await resolver.addresses(HOST)
    assert await resolver.addresses(HOST) == (ip_address(GOOD),)
