"""Put on the PYTHONPATH of a program: some names are this machine's, as an attacker's DNS or a cluster's might say.

These are the names below ``cloud.test``, and those that E2E_NAMES holds, separated by commas.
"""

import os
import socket
from typing import Any

_asked = socket.getaddrinfo
_here = frozenset(os.environ.get("E2E_NAMES", "").split(","))


def _getaddrinfo(host: Any, *arguments: Any, **options: Any) -> Any:
    name = host.decode() if isinstance(host, bytes) else host
    is_here = name and (name.endswith(".cloud.test") or name in _here)
    return _asked("127.0.0.1" if is_here else host, *arguments, **options)


socket.getaddrinfo = _getaddrinfo
