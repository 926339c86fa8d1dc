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
]


@pytest.mark.parametrize(("setting", "url"), ALLOWED)
def test_an_allowed_endpoint_is_returned_without_path(setting: str, url: str) -> None:
    endpoint = Allowlist.parse(setting).endpoint(url)
    assert not endpoint.endswith("/")
    assert httpx.URL(endpoint).path == "/"


@pytest.mark.parametrize(("setting", "url"), FORBIDDEN)
def test_any_other_endpoint_is_refused(setting: str, url: str) -> None:
    with pytest.raises(EndpointNotAllowed):
        Allowlist.parse(setting).endpoint(url)


def test_the_refusal_names_host_and_setting() -> None:
    with pytest.raises(EndpointNotAllowed, match=r"evil\.org:8443 is not allowed.*IMAGECOPY_ENDPOINT_ALLOWLIST"):
        Allowlist.parse("*.example.com").check("https://evil.org:8443/x")


def test_plain_http_is_refused_in_words_of_its_own() -> None:
    with pytest.raises(EndpointNotAllowed, match=r"plain http to ims\.example\.com:8080.*without a wildcard"):
        Allowlist.parse("*.example.com:8080").check("http://ims.example.com:8080")


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
    ],
)
def test_a_malformed_setting_is_refused(setting: str) -> None:
    with pytest.raises(ValueError, match=r"host|wildcard|port|URL|address|IP"):
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
