"""Removes from the environment what is meant for other programs: proxies, other clusters, settings of an operator."""

import os
from typing import Final

_PROXIES: Final = ("ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
_PREFIXES: Final = ("IMAGECOPY_", "KUBE")
_KEPT: Final = ("KUBEBUILDER_ASSETS", "IMAGECOPY_SLOW_TESTS")
"""Settings of the tests and of the demo themselves."""


def clean() -> None:
    """Remove it from this process, and so from all that this process starts."""
    for name in list(os.environ):
        if name.upper() in _PROXIES or (name.startswith(_PREFIXES) and name not in _KEPT):
            del os.environ[name]
