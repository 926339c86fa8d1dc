import pytest

from unit.reconcile.builders import Stage


@pytest.fixture
def stage() -> Stage:
    return Stage()
