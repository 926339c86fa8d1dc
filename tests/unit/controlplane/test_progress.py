"""The lines of progress."""

import io
import re
import threading

import pytest

from controlplane.progress import Progress, minutes


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("stream", [io.StringIO(), _Terminal()], ids=["log", "terminal"])
def test_beats_tell_what_elapsed_expected_and_detail(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    beaten = threading.Event()

    def detail() -> str:
        beaten.set()
        return "3 of 7"

    with Progress("build", expected="8 min", detail=detail, stream=stream, every_seconds=0.01):
        assert beaten.wait(60)
    text = stream.getvalue()

    assert "controlplane: build, usually 8 min\n" in text
    assert re.search(r"controlplane: build: 0:\d\d elapsed, usually 8 min; 3 of 7", text)
    assert re.search(r"controlplane: build: done after 0:\d\d\n$", text)
    assert ("\r" in text) == stream.isatty()


def test_failure_is_not_called_done() -> None:
    stream = io.StringIO()
    with pytest.raises(ValueError, match="x"), Progress("build", stream=stream):
        raise ValueError("x")
    assert re.search(r"build: not done after 0:\d\d\n$", stream.getvalue())


def test_durations_are_minutes_and_seconds() -> None:
    assert minutes(125.9) == "2:05"
