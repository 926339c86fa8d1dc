"""What an address is, and whether it may be called."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagecopy.ims.addresses import AddressRules, as_address, is_own, parse_networks

RULES = AddressRules(cluster_networks=parse_networks("10.244.0.0/16,fd00:10:244::/56"), is_own=lambda _: False)

REFUSED = [
    ("127.0.0.1", "loopback"),
    ("127.255.255.254", "loopback"),
    ("0.0.0.0", "unspecified"),
    ("0.1.2.3", "unspecified"),
    ("169.254.169.254", "metadata"),
    ("169.254.0.1", "link-local"),
    ("192.0.0.192", "reserved"),
    ("224.0.0.1", "multicast"),
    ("239.255.255.255", "multicast"),
    ("240.0.0.1", "reserved"),
    ("255.255.255.255", "broadcast"),
    ("100.100.100.200", "metadata"),
    ("168.63.129.16", "metadata"),
    ("10.244.3.7", "10.244.0.0/16"),
    ("::", "unspecified"),
    ("::1", "loopback"),
    ("fe80::1", "link-local"),
    ("febf::1", "link-local"),
    ("fec0::1", "reserved"),
    ("ff02::1", "multicast"),
    ("100::1", "reserved"),
    ("4000::1", "reserved"),
    ("fd00:ec2::254", "metadata"),
    ("fd00:10:244::17", "fd00:10:244::/56"),
    # IPv6 forms of IPv4 addresses
    ("::ffff:127.0.0.1", "loopback address, as 127.0.0.1"),
    ("::ffff:169.254.169.254", "metadata"),
    ("::ffff:10.244.3.7", "10.244.0.0/16"),
    ("::ffff:0:127.0.0.1", "loopback"),
    ("::127.0.0.1", "loopback"),
    ("::2", "unspecified"),
    ("64:ff9b::169.254.169.254", "metadata"),
    ("64:ff9b::10.244.3.7", "10.244.0.0/16"),
    ("64:ff9b:1::a9fe:a9fe", "translator"),
    ("2002:7f00:1::1", "loopback"),
    ("2002:a9fe:a9fe::", "metadata"),
    ("2001:0:7f00:1::1", "loopback"),  # as Teredo server
    ("2001:0:102:304:0:0:5601:5601", "metadata"),  # as Teredo client, with its bits turned round
]

ALLOWED = [
    "80.158.0.1",
    "1.1.1.1",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "100.125.0.1",
    "198.18.0.1",
    "223.255.255.255",
    "2a00:1450::1",
    "fd12:3456::1",
    "::ffff:80.158.0.1",
    "::80.158.0.1",
    "64:ff9b::80.158.0.1",
    "2002:509e:1::1",
]


@pytest.mark.parametrize(("address", "word"), REFUSED)
def test_an_address_that_means_something_only_here_is_refused(address: str, word: str) -> None:
    why = RULES.why_refused(ip_address(address))
    assert why is not None
    assert word in why


@pytest.mark.parametrize("address", ALLOWED)
def test_any_other_address_may_be_called_private_ones_too(address: str) -> None:
    assert RULES.why_refused(ip_address(address)) is None


@pytest.mark.parametrize("form", ["203.0.113.7", "::ffff:203.0.113.7", "64:ff9b::203.0.113.7"])
def test_the_api_server_is_refused_in_every_form(form: str) -> None:
    api = {ip_address("203.0.113.7")}
    assert "API server" in (RULES.why_refused(ip_address(form), api) or "")
    assert RULES.why_refused(ip_address("203.0.113.8"), api) is None


def test_an_address_of_this_machine_is_refused() -> None:
    rules = AddressRules(is_own=lambda address: address == ip_address("10.1.2.3"))
    assert "own address" in (rules.why_refused(ip_address("10.1.2.3")) or "")
    assert "own address" in (rules.why_refused(ip_address("::ffff:10.1.2.3")) or "")
    assert rules.why_refused(ip_address("10.1.2.4")) is None


def test_the_kernel_tells_which_addresses_are_ours() -> None:
    assert is_own(ip_address("127.0.0.1"))
    assert not is_own(ip_address("192.0.2.1"))
    assert not is_own(ip_address("2001:db8::1"))


def test_a_zone_does_not_hide_an_address() -> None:
    address = as_address("fe80::1%eth0")
    assert address == ip_address("fe80::1")
    assert RULES.why_refused(address) is not None


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_judged_alike_in_all_its_forms(address: object) -> None:
    plain = ip_address(str(address))
    refused = RULES.why_refused(plain) is not None
    bits = int(plain)
    forms = (0xFFFF << 32 | bits, 0xFFFF << 48 | bits, 0x64FF9B << 96 | bits, 0x2002 << 112 | bits << 80)
    for form in forms:
        assert (RULES.why_refused(ip_address(form.to_bytes(16, "big"))) is not None) == refused


@given(st.ip_addresses())
def test_every_address_has_a_verdict(address: object) -> None:
    why = RULES.why_refused(ip_address(str(address)))
    assert why is None or why.strip()


def test_networks_are_read_with_blanks_and_single_addresses() -> None:
    assert parse_networks(" 10.0.0.0/8 ,, fd00::1, ") == (ip_network("10.0.0.0/8"), ip_network("fd00::1/128"))


@pytest.mark.parametrize(
    ("text", "words"),
    [("10.0.0.0/8,nonsense", "'nonsense' is no network: write CIDRs"), ("10.1.0.0/8", "write 10.0.0.0/8")],
)
def test_a_network_that_is_none_is_named(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_networks(text)
