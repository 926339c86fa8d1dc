"""`python -m controlplane` as a user sees it."""

from pathlib import Path

import pytest

from controlplane import __main__ as command_line
from controlplane import versions

from .fakes import put_programs


@pytest.fixture(autouse=True)
def _keep_signal_handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("signal.signal", lambda *_: None)


def test_folder_of_the_programs_is_all_of_stdout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    put_programs(tmp_path, versions.CORE)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    assert command_line.main(["binaries"]) == 0
    assert capsys.readouterr().out == f"{tmp_path}\n"


def test_failure_is_one_message_and_code_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    assert command_line.main(["binaries"]) == 1
    assert "error: KUBEBUILDER_ASSETS=" in capsys.readouterr().err


def test_kubeconfig_of_the_user_is_never_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = tmp_path / "config"
    mine.write_text("mine")
    assert command_line.main(["run", "--kubeconfig", str(mine)]) == 1
    assert "exists already" in capsys.readouterr().err
    assert mine.read_text() == "mine"


@pytest.mark.parametrize("arguments", [["--help"], ["binaries", "--help"], ["run", "--help"]])
def test_help_is_there(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command_line.main(arguments)
    assert ended.value.code == 0
    assert "usage: python -m controlplane" in capsys.readouterr().out
