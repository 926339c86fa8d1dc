"""Imports ``kubernetes.aio`` without the synchronous client, of which nothing is used."""

import importlib.util
import sys
from typing import Final

_PACKAGE: Final = "kubernetes"


def leave_out_synchronous_client() -> None:
    """Keep ``kubernetes`` from importing its synchronous client. Has to be called before either is imported.

    The package's ``__init__`` imports the synchronous client with requests, OAuth and websockets: 230 modules, 8 MiB,
    a quarter of the start. Its other modules can still be imported, each by its own name.
    """
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is not None and _PACKAGE not in sys.modules:
        sys.modules[_PACKAGE] = importlib.util.module_from_spec(spec)
