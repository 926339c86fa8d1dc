"""Put on an operator's PYTHONPATH: names below ``cloud.test`` are this machine, as an attacker's DNS might say."""

import socket
from typing import Any

_asked = socket.getaddrinfo


def _getaddrinfo(host: Any, *arguments: Any, **options: Any) -> Any:
    name = host.decode() if isinstance(host, bytes) else host
    return _asked("127.0.0.1" if name and name.endswith(".cloud.test") else host, *arguments, **options)


socket.getaddrinfo = _getaddrinfo
