"""Versions, names and hashes of the programs."""

import platform
import sys
from typing import Final

from controlplane.errors import BinariesError

KUBERNETES: Final = "v1.37.2"
HELM: Final = "v4.3.1"
ETCD: Final = "v3.7.3"

# Not every patch release of Kubernetes has an envtest archive: this is the newest one of 1.37.
ENVTEST: Final = "v1.37.0"

# The hashes of envtest-releases.yaml in kubernetes-sigs/controller-tools, which setup-envtest uses as well. They are
# pinned here, so that a change of the index or of a release is an error.
ENVTEST_SHA512: Final = {
    "linux-amd64": (
        "1d1c453633b72c161a5d5a886cde7ac850be1a2ac796a9e1d4ffacacc64868295"
        "bdd2d57aa66cd0c158f5ce510f5dfe3fbc61ac21bd3dcfb875bd70658aa663a"
    ),
    "linux-arm64": (
        "ae6a670502988200b0131c943758cfd3d3a58cf4e6247ef7f0e6a6467f1cd9a33"
        "3c802e86101f0446b1b92a0e327387224e1e44fe1a4693da0929c6e529cfe9a"
    ),
    "darwin-amd64": (
        "19a2a5376a8aa57a7b25ec5198834db29bf2ba0d6ff572d7f45ba683b13fb14c3"
        "ebec8069e92db66c39f1c7a9cff1bc2be879e2aacdc9fa8b8a7e861959bdf7b"
    ),
    "darwin-arm64": (
        "fb38cfacdd71b5e97a4d4cceac861af5f55069cf783f0e49cf181bfc32eb3e557"
        "c2091a534dc5d38f1b92c5ba142bc1979f215a5385b3630ea6a661be6fa161b"
    ),
}

ETCD_PROGRAM: Final = "etcd"
APISERVER: Final = "kube-apiserver"
KUBECTL: Final = "kubectl"
CONTROLLER_MANAGER: Final = "kube-controller-manager"
HELM_PROGRAM: Final = "helm"

CORE: Final = (ETCD_PROGRAM, APISERVER, KUBECTL)
"""The programs that a control plane needs, and that an envtest archive has."""
EXTRAS: Final = (CONTROLLER_MANAGER, HELM_PROGRAM)
"""Further programs that some tests need."""
ALL: Final = CORE + EXTRAS


def host_platform() -> str:
    """Return the name that releases have for this machine, such as `linux-amd64` or `darwin-arm64`.

    Raises BinariesError on systems other than Linux and macOS.
    """
    if sys.platform not in {"linux", "darwin"}:
        raise BinariesError(f"no control plane for {sys.platform}: only Linux and macOS are supported")
    machine = platform.machine().lower()
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)
    return f"{sys.platform}-{architecture}"
