import contextlib

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagecopy.ims import KNOWN_CLOUDS, Allowlist, EndpointNotAllowed, cloud_endpoints


@pytest.mark.parametrize(
    ("cloud", "region", "ims", "iam"),
    [
        (
            "HuaweiCloud",
            "cn-north-4",
            "https://ims.cn-north-4.myhuaweicloud.com",
            "https://iam.cn-north-4.myhuaweicloud.com",
        ),
        (
            "OpenTelekomCloud",
            "eu-de",
            "https://ims.eu-de.otc.t-systems.com",
            "https://iam.eu-de.otc.t-systems.com",
        ),
        ("SwissOTC", "eu-ch2", None, "https://iam-pub.eu-ch2.sc.otc.t-systems.com"),
        (
            "FlexibleEngine",
            "eu-west-0",
            "https://ims.eu-west-0.prod-cloud-ocb.orange-business.com",
            "https://iam.eu-west-0.prod-cloud-ocb.orange-business.com",
        ),
    ],
)
def test_known_clouds_are_found_from_their_region(cloud: str, region: str, ims: str | None, iam: str) -> None:
    found = cloud_endpoints(cloud, region)
    assert (found.ims, found.iam) == (ims, iam)


@pytest.mark.parametrize("cloud", KNOWN_CLOUDS)
def test_every_known_cloud_is_allowed_by_default(cloud: str) -> None:
    found = cloud_endpoints(cloud, "eu-de")
    for url in (found.ims, found.iam):
        if url is not None:
            assert Allowlist.default().endpoint(url) == url


@pytest.mark.parametrize(
    ("cloud", "region"),
    [("AWS", "eu-de"), ("", "eu-de"), *(("HuaweiCloud", bad) for bad in ("", "a/b", "evil.com/", "EU", "-a", "a@b"))],
)
def test_a_region_can_not_smuggle_in_a_host(cloud: str, region: str) -> None:
    with pytest.raises(ValueError, match="is no "):
        cloud_endpoints(cloud, region)


ALLOWED = [
    ("ims.example.com", "https://ims.example.com"),
    ("ims.example.com", "https://IMS.Example.COM./v3/"),
    ("ims.example.com", "https://ims.example.com:443/"),
    ("ims.example.com", "http://ims.example.com"),
    ("IMS.EXAMPLE.COM", "https://ims.example.com"),
    ("ims.example.com:8443", "https://ims.example.com:8443"),
    ("ims.example.com:443", "https://ims.example.com"),
    ("*.example.com", "https://ims.example.com"),
    ("*.example.com", "https://a.b.c.example.com"),
    ("*.example.com:8443", "https://ims.example.com:8443"),
    ("127.0.0.1:8080", "http://127.0.0.1:8080"),
    ("127.0.0.1:8080", "https://127.0.0.1:8080"),
    ("[::1]:8080", "http://[::1]:8080"),
    ("[::1]", "https://[0:0:0:0:0:0:0:1]"),
    ("localhost:8080", "http://localhost:8080"),
    ("bücher.example", "https://xn--bcher-kva.example"),
    (" a.example , ,b.example,", "https://b.example"),
    ("ims.{region}.example.com", "https://ims.eu-de.example.com"),
    ("ims.{region}.example.com", "https://ims.my-kualalumpur-1.example.com"),
    ("ims.{REGION}.example.com:8443", "https://IMS.eu-de.example.com:8443"),
    ("*.{region}.example.com", "https://a.b.eu-ch2.example.com"),
    ("bücher.{region}.example", "https://xn--bcher-kva.eu-de.example"),
]

FORBIDDEN = [
    ("ims.example.com", "https://example.com"),
    ("ims.example.com", "https://evil-ims.example.com"),
    ("ims.example.com", "https://ims.example.com.evil.org"),
    ("ims.example.com", "https://ims.example.com:8443"),
    ("ims.example.com", "http://ims.example.com:8080"),
    ("ims.example.com:8443", "https://ims.example.com"),
    ("ims.example.com:8443", "http://ims.example.com"),
    ("*.example.com", "https://example.com"),
    ("*.example.com", "https://badexample.com"),
    ("*.example.com", "http://ims.example.com"),
    ("*.example.com", "https://ims.example.com:8443"),
    ("*.example.com:8443", "https://ims.example.com"),
    ("*.example.com:80", "http://ims.example.com"),
    ("127.0.0.1:8080", "http://127.0.0.1:8081"),
    ("127.0.0.1", "http://127.1"),
    ("127.0.0.1", "http://2130706433"),
    ("ims.example.com", "https://user:pass@ims.example.com"),
    ("ims.example.com", "https://evil.org\\@ims.example.com"),
    ("ims.example.com", "https://evil.org#@ims.example.com"),
    ("ims.example.com", "https://evil.org?@ims.example.com"),
    ("ims.example.com", "ftp://ims.example.com"),
    ("ims.example.com", "ims.example.com"),
    ("ims.example.com", "//ims.example.com"),
    ("ims.example.com", "https://"),
    ("ims.example.com", ""),
    ("ims.example.com", "https://ims.example.com:99999"),
    ("ims.example.com", "https://ims.example.com:x"),
    ("ims.example.com", "https://ims.example.com/v1/cloudimages"),
    ("ims.example.com", "https://ims.example.com?x=y"),
    ("ims.example.com", "https://ims.example.com#x"),
    ("ims.example.com", "https://169.254.169.254"),
    ("ims.{region}.example.com", "https://ims.example.com"),
    ("ims.{region}.example.com", "https://ims.obs.example.com"),
    ("ims.{region}.example.com", "https://ims.obs-website.example.com"),
    ("ims.{region}.example.com", "https://ims.eu-de.evil.example.com"),
    ("ims.{region}.example.com", "https://evil.ims.eu-de.example.com"),
    ("ims.{region}.example.com", "https://ims.eu-de.example.com.evil.org"),
    ("ims.{region}.example.com", "https://imsxeu-de.example.com"),
    ("ims.{region}.example.com", "https://ims.eu-de.example.com:8443"),
    ("ims.{region}.example.com", "http://ims.eu-de.example.com"),
    ("ims.{region}.example.com:80", "http://ims.eu-de.example.com"),
]

RENTED = [
    "https://mybucket.obs.eu-de.otc.t-systems.com",
    "https://ims.obs.eu-de.otc.t-systems.com",
    "https://iam.obs.myhuaweicloud.com",
    "https://iam.obs-website.eu-de.otc.t-systems.com",
    "https://0123456789abcdef.apic.eu-de.otc.t-systems.com",
    "https://mybucket.obs.eu-ch2.sc.otc.t-systems.com",
    "https://oss.eu-west-0.prod-cloud-ocb.orange-business.com",
    "https://obs.cn-north-4.myhuaweicloud.com",
]
"""Hosts below the known clouds' domains that anybody may rent, or services that we don't call."""


@pytest.mark.parametrize(("setting", "url"), ALLOWED)
def test_an_allowed_endpoint_is_returned_without_path(setting: str, url: str) -> None:
    endpoint = Allowlist.parse(setting).endpoint(url)
    assert not endpoint.endswith("/")
    assert httpx.URL(endpoint).path == "/"


@pytest.mark.parametrize(("setting", "url"), FORBIDDEN)
def test_any_other_endpoint_is_refused(setting: str, url: str) -> None:
    with pytest.raises(EndpointNotAllowed):
        Allowlist.parse(setting).endpoint(url)


@pytest.mark.parametrize("url", RENTED)
def test_a_host_that_anybody_may_rent_in_a_known_cloud_is_not_allowed_by_default(url: str) -> None:
    with pytest.raises(EndpointNotAllowed):
        Allowlist.default().endpoint(url)


@pytest.mark.parametrize(
    "url", ["https://127.1", "https://2130706433", "https://0x7f.1", "https://a.b.017", "https://1."]
)
def test_an_address_in_a_form_that_only_some_read_is_refused_whatever_is_allowed(url: str) -> None:
    with pytest.raises(EndpointNotAllowed, match="neither a name nor a whole address"):
        Allowlist.parse("a.example").endpoint(url)


@pytest.mark.parametrize(
    ("setting", "host", "port", "named"),
    [
        ("ims.example.com", "ims.example.com", 443, True),
        ("ims.example.com", "IMS.example.com.", 80, True),
        ("ims.example.com", "ims.example.com", 8443, False),
        ("ims.example.com:8443", "ims.example.com", 8443, True),
        ("[::1]:8443", "::1", 8443, True),
        ("*.example.com", "ims.example.com", 443, False),
        ("ims.{region}.example.com", "ims.eu-de.example.com", 443, False),
    ],
)
def test_only_an_entry_without_wildcards_names_a_host_in_full(setting: str, host: str, port: int, named: bool) -> None:
    assert Allowlist.parse(setting).names_in_full(host, port) is named


def test_no_default_entry_names_a_host_in_full() -> None:
    assert not any(pattern.in_full for pattern in Allowlist.default().patterns)


def test_entries_are_shown_as_they_were_written() -> None:
    setting = "ims.example.com, *.example.com:8443, ims.{region}.example.com, [::1]:8080"
    assert ", ".join(map(str, Allowlist.parse(setting).patterns)) == setting


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ims.example.com", "'ims.example.com' has no scheme: write https:// in front of the host"),
        ("ims.example.com:443", "has no scheme"),
        ("//ims.example.com", "has no scheme"),
        ("ftp://ims.example.com", "is no https URL with a host"),
        ("https://ims.example.com/v1/cloudimages", "write https://ims.example.com and leave out /v1/cloudimages"),
        ("https://ims.example.com?x=s3cret", "has more than a host"),
        (
            "https://user:s3cret@ims.example.com",
            "carries a login: take it out, logins belong into the provider's Secret",
        ),
        ("https://user:s3cret#@ims.example.com", "no URL"),
        ("user:s3cret@ims.example.com", ""),
        ("https://", "is no https URL with a host"),
    ],
)
def test_a_malformed_endpoint_is_told_with_its_field_and_what_to_do(url: str, words: str) -> None:
    with pytest.raises(EndpointNotAllowed) as caught:
        Allowlist.parse("ims.example.com").endpoint(url, "the provider's spec.endpoints.ims")
    assert str(caught.value).startswith("the provider's spec.endpoints.ims: ")
    assert words in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_the_refusal_names_host_and_setting() -> None:
    with pytest.raises(EndpointNotAllowed, match=r"evil\.org:8443 is not allowed.*IMAGECOPY_ENDPOINT_ALLOWLIST"):
        Allowlist.parse("*.example.com").check("https://evil.org:8443/x")


@pytest.mark.parametrize("url", ["http://ims.eu-de.otc.t-systems.com", "http://ims.eu-de.otc.t-systems.com:80"])
def test_plain_http_to_a_known_cloud_is_answered_with_https(url: str) -> None:
    with pytest.raises(EndpointNotAllowed) as caught:
        Allowlist.default().endpoint(url)
    assert str(caught.value) == (
        "plain http to ims.eu-de.otc.t-systems.com is not allowed: write https:// in spec.endpoints"
    )


@pytest.mark.parametrize("port", ["8080", "80"])
def test_plain_http_to_a_port_that_is_allowed_is_answered_with_both_ways_out(port: str) -> None:
    with pytest.raises(
        EndpointNotAllowed,
        match=rf"^plain http to ims\.example\.com(:8080)? is not allowed: "
        rf"write https://ims\.example\.com:{port} in spec\.endpoints, or .*without a wildcard",
    ):
        Allowlist.parse(f"*.example.com:{port}").check(f"http://ims.example.com:{port}")


def test_a_host_that_https_would_not_reach_either_is_not_answered_with_https() -> None:
    with pytest.raises(EndpointNotAllowed, match=r"^the host ims\.example\.com is not allowed"):
        Allowlist.parse("ims.example.com:8443, *.example.org").check("http://ims.example.com")


def test_a_login_in_the_url_is_not_repeated() -> None:
    with pytest.raises(EndpointNotAllowed) as caught:
        Allowlist.parse("ims.example.com").check("https://user:topsecret@ims.example.com")
    assert "topsecret" not in str(caught.value)


@pytest.mark.parametrize(
    "setting",
    [
        "",
        " , ",
        "*",
        "*.",
        "*.*.com",
        "a*.com",
        "a.*.com",
        "https://a.com",
        "a.com/path",
        "user@a.com",
        "a.com:",
        "a.com:0",
        "a.com:99999",
        "a.com:x",
        "a b.com",
        "a..com",
        "-a.com",
        "a.com?x",
        "a.com#x",
        "*.127.0.0.1",
        "[::1",
        ":443",
        "good.com,b@d.com",
        "127.1",
        "*.1",
        "0x7f000001",
        "ims{region}.example.com",
        "ims.{region}",
        "{region}",
        "ims.{zone}.example.com",
        "ims.{region.example.com",
    ],
)
def test_a_malformed_setting_is_refused(setting: str) -> None:
    with pytest.raises(ValueError, match=r"host|wildcard|port|URL|address|IP|label"):
        Allowlist.parse(setting)


@given(st.text() | st.from_regex(r"https?://[^ ]{0,40}"))
def test_no_url_makes_the_check_fail_in_another_way(url: str) -> None:
    try:
        Allowlist.default().endpoint(url)
    except EndpointNotAllowed:
        pass
    else:
        assert httpx.URL(url).scheme == "https"


@given(st.text())
def test_no_setting_fails_in_another_way(setting: str) -> None:
    with contextlib.suppress(ValueError):
        Allowlist.parse(setting)
