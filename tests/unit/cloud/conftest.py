import pytest

from imagecopy.cloud.cloud import Cloud
from unit.cloud.builders import FakeClient, Lender


@pytest.fixture
def client() -> FakeClient:
    return FakeClient()


@pytest.fixture
def lender(client: FakeClient) -> Lender:
    return Lender(client)


@pytest.fixture
def cloud(lender: Lender) -> Cloud:
    return Cloud(lender)
