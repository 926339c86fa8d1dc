"""The user's settings for other programs do not reach the tests and the demo."""

import os

import pytest

from controlplane import environment


def test_proxies_and_other_clusters_are_removed_and_our_own_settings_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = ("HTTPS_PROXY", "all_proxy", "no_proxy", "KUBECONFIG", "KUBERNETES_SERVICE_HOST", "IMAGECOPY_NAMESPACES")
    ours = ("KUBEBUILDER_ASSETS", "IMAGECOPY_SLOW_TESTS", "SSL_CERT_FILE")
    for name in (*foreign, *ours):
        monkeypatch.setenv(name, "x")
    environment.clean()
    assert not set(foreign) & set(os.environ)
    assert set(ours) <= set(os.environ)
