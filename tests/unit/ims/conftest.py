import pytest

from unit.ims.cloud import Cloud


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()
