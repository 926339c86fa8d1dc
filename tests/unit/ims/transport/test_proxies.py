"""The proxy variables: how they are read, and which request goes through which proxy."""

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagecopy.ims.proxies import BadProxy, Proxies

PROXY = "http://proxy.corp:3128"


def through(environment: dict[str, str], url: str) -> str | None:
    proxy = Proxies.from_environment(environment).choose(httpx.URL(url))
    return None if proxy is None else str(proxy)


@pytest.mark.parametrize(
    ("environment", "url", "told"),
    [
        ({}, "https://ims.example.com", None),
        ({"HTTPS_PROXY": PROXY}, "https://ims.example.com", "proxy.corp:3128 (HTTPS_PROXY)"),
        ({"HTTPS_PROXY": PROXY}, "http://ims.example.com", None),
        ({"HTTP_PROXY": PROXY}, "http://ims.example.com", "proxy.corp:3128 (HTTP_PROXY)"),
        ({"HTTP_PROXY": PROXY}, "https://ims.example.com", None),
        ({"https_proxy": PROXY, "HTTPS_PROXY": "http://other:1"}, "https://a.b", "proxy.corp:3128 (https_proxy)"),
        ({"https_proxy": " ", "HTTPS_PROXY": PROXY}, "https://a.b", "proxy.corp:3128 (HTTPS_PROXY)"),
        ({"ALL_PROXY": PROXY}, "https://a.b", "proxy.corp:3128 (ALL_PROXY)"),
        ({"ALL_PROXY": "http://other:1", "HTTPS_PROXY": PROXY}, "https://a.b", "proxy.corp:3128 (HTTPS_PROXY)"),
        ({"HTTPS_PROXY": "proxy.corp:3128"}, "https://a.b", "proxy.corp:3128 (HTTPS_PROXY)"),
        ({"HTTPS_PROXY": "http://proxy.corp/"}, "https://a.b", "proxy.corp:80 (HTTPS_PROXY)"),
        ({"HTTPS_PROXY": "https://proxy.corp"}, "https://a.b", "proxy.corp:443 (HTTPS_PROXY)"),
        ({"HTTPS_PROXY": "http://[fd00::1]:3128"}, "https://a.b", "[fd00::1]:3128 (HTTPS_PROXY)"),
    ],
)
def test_the_variables_are_read_as_everywhere(environment: dict[str, str], url: str, told: str | None) -> None:
    assert through(environment, url) == told


@pytest.mark.parametrize(
    ("no_proxy", "url", "proxied"),
    [
        ("*", "https://ims.example.com", False),
        ("example.org, *", "https://ims.example.com", False),
        ("example.com", "https://ims.example.com", False),
        ("example.com", "https://example.com", False),
        ("EXAMPLE.com", "https://IMS.Example.COM.", False),
        ("example.com", "https://badexample.com", True),
        (".example.com", "https://ims.example.com", False),
        (".example.com", "https://example.com", True),
        ("*.example.com", "https://ims.example.com", False),
        ("*.example.com", "https://example.com", True),
        ("ims.example.com:8443", "https://ims.example.com:8443", False),
        ("ims.example.com:8443", "https://ims.example.com", True),
        ("ims.example.com:443", "https://ims.example.com", False),
        ("10.0.0.0/8", "https://10.1.2.3", False),
        ("10.0.0.0/8", "https://11.1.2.3", True),
        ("10.0.0.0/8", "https://ims.example.com", True),
        ("10.1.2.3", "https://10.1.2.3", False),
        ("10.1.2.3:8443", "https://10.1.2.3:8443", False),
        ("10.1.2.3:8443", "https://10.1.2.3", True),
        ("fd00::/8", "https://[fd00::1]", False),
        ("[fd00::1]:8443", "https://[fd00::1]:8443", False),
        ("fd00::1", "https://[fd00::2]", True),
        (" , ,", "https://ims.example.com", True),
        ("", "https://localhost:8443", False),
        ("", "https://127.0.0.1:8443", False),
        ("", "https://[::1]:8443", False),
    ],
)
def test_no_proxy_and_loopback_go_straight(no_proxy: str, url: str, proxied: bool) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        assert (through({"HTTPS_PROXY": PROXY, name: no_proxy}, url) is not None) == proxied


def test_a_login_is_read_and_never_shown() -> None:
    proxies = Proxies.from_environment({"HTTPS_PROXY": "http://us%40er:p%3Ass-s3cret@proxy.corp:3128"})
    assert proxies.https is not None
    assert proxies.https.login == ("us@er", "p:ss-s3cret")
    assert "s3cret" not in repr(proxies) + str(proxies.https) + str(proxies.https.url)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("socks5://proxy.corp:1080", "proxies of the kind socks5://"),
        ("ftp://proxy.corp", "proxies of the kind ftp://"),
        ("http://", "scheme, host and port alone"),
        ("http://proxy.corp:port", "no URL of a proxy"),
        ("http://proxy.corp:99999", "no URL of a proxy"),
        ("http://proxy.corp/path", "scheme, host and port alone"),
        ("http://user:s3cr#t@proxy.corp:3128", "percent-encoded"),
        ("http://user:s3cr/t@proxy.corp:3128", "percent-encoded"),
    ],
)
@pytest.mark.parametrize("name", ["HTTPS_PROXY", "http_proxy", "ALL_PROXY"])
def test_a_proxy_that_can_not_be_used_is_named_without_its_value(name: str, value: str, words: str) -> None:
    with pytest.raises(BadProxy) as caught:
        Proxies.from_environment({name: value})
    assert str(caught.value).startswith(name)
    assert words in str(caught.value)
    assert "s3cr" not in str(caught.value)


@given(st.text(), st.text(), st.from_regex(r"https?://[^ ]{0,30}"))
def test_no_value_fails_in_another_way(proxy: str, no_proxy: str, url: str) -> None:
    try:
        proxies = Proxies.from_environment({"HTTPS_PROXY": proxy, "NO_PROXY": no_proxy})
        proxies.choose(httpx.URL(url))
    except (BadProxy, httpx.InvalidURL):
        pass


def test_all_proxy_may_be_of_any_kind_where_both_others_are_given() -> None:
    environment = {"ALL_PROXY": "socks5://other:1", "HTTPS_PROXY": PROXY, "HTTP_PROXY": PROXY}
    assert through(environment, "http://a.b") == "proxy.corp:3128 (HTTP_PROXY)"
