from pathlib import Path

import pytest

from unit.ims.auth.login_cloud import POD_IDENTITY, SERVICE_TOKEN, LoginCloud
from unit.ims.cloud import Cloud


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()


@pytest.fixture
def login_cloud() -> LoginCloud:
    return LoginCloud()


@pytest.fixture
def token_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A service account's token, and the environment of a Pod with Pod Identity."""
    file = tmp_path / "token"
    file.write_text(SERVICE_TOKEN)
    monkeypatch.setenv("HC_CONTAINER_CREDENTIALS_FULL_URI", POD_IDENTITY)
    monkeypatch.setenv("HC_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(file))
    return file
