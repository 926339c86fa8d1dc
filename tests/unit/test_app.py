"""What the process makes of its environment before it begins."""

import pytest
from kubernetes.aio.client import Configuration

from imagecopy import app
from imagecopy.settings import Settings


@pytest.mark.parametrize("value", ["socks5://proxy.corp:1080", "http://user:s3cr#t@proxy.corp:3128"])
async def test_a_proxy_that_can_not_be_used_is_told_at_the_start(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.delenv("https_proxy", raising=False)
    monkeypatch.setenv("HTTPS_PROXY", value)
    with pytest.raises(app.CannotStart, match=r"^HTTPS_PROXY") as caught:
        await app.run(Settings())
    assert "s3cr" not in str(caught.value)


def test_the_api_server_is_known_by_kubeconfig_and_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    rules = app._address_rules(Settings(), Configuration(host="https://[fd00::1]:6443"))
    assert rules.api_servers == ("fd00::1", "10.96.0.1")
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST")
    rules = app._address_rules(Settings(), Configuration(host="https://kube.example.org:6443"))
    assert rules.api_servers == ("kube.example.org",)
