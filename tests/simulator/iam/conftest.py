from __future__ import annotations

import pytest

from simulator.identities import Issuer


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    return Issuer()
