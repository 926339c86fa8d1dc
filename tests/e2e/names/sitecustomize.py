"""On the PYTHONPATH of a program, resolves some names to this machine, as an attacker's or a cluster's DNS could.

These are the names below `cloud.test`, and the comma-separated names of E2E_NAMES.
"""

import os
import socket
from typing import Any

_original = socket.getaddrinfo
_here = frozenset(os.environ.get("E2E_NAMES", "").split(","))


def _getaddrinfo(host: Any, *arguments: Any, **options: Any) -> Any:
    name = host.decode() if isinstance(host, bytes) else host
    is_here = name and (name.endswith(".cloud.test") or name in _here)
    return _original("127.0.0.1" if is_here else host, *arguments, **options)


socket.getaddrinfo = _getaddrinfo
