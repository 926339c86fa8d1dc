"""A process ends when it is stopped, and when its parent ends for any reason."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from controlplane.errors import StartError
from controlplane.process import Process

_TESTS = Path(__file__).parents[2]

_SECONDS = 60.0
"""Bound of every wait; what does not happen by then never will."""

# A script's background jobs ignore SIGINT, and so would this. A signal that arrives just before a read that blocks does
# not wake it, so nothing here blocks for long.
_PARENT = """
import select, signal, sys, threading
from pathlib import Path
from controlplane.process import Process

signal.signal(signal.SIGINT, signal.default_int_handler)
folder = Path(sys.argv[1])
kept = []
def start():
    kept.append(Process(["sleep", "600"], log=folder / "log", remove_if_orphaned=folder))
thread = threading.Thread(target=start)
thread.start()
thread.join()
print(kept[0].pid, flush=True)
while not select.select([sys.stdin], [], [], 0.1)[0]:
    pass
"""


def alive(pid: int) -> bool:
    # Orphans that died stay visible as zombies for as long as process 1 likes, in some containers for ever.
    if Path("/proc/self/stat").exists():
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
        except (FileNotFoundError, ProcessLookupError):
            return False
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout
    return state.strip()[:1] not in {"", "Z"}


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_component_dies_with_its_parent_and_the_folder_goes(tmp_path: Path, how: signal.Signals) -> None:
    folder = tmp_path / "plane"
    folder.mkdir()
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": str(_TESTS)},
    )
    with parent:
        assert parent.stdout
        component = int(parent.stdout.readline())
        assert alive(component)
        parent.send_signal(how)
        parent.wait(_SECONDS)
        eventually(lambda: not alive(component))
        eventually(lambda: not folder.exists())


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_component_dies_with_its_guard(tmp_path: Path) -> None:
    process = Process(["sleep", "600"], log=tmp_path / "log")
    os.kill(process._guard.pid, signal.SIGKILL)
    eventually(lambda: not alive(process.pid))
    process.stop()


def test_component_outlives_the_thread_that_started_it(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    # The parent script starts it in a thread; here it must still be there when that thread is gone.
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT, str(tmp_path / "folder")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(_TESTS)},
    )
    with parent:
        assert parent.stdout
        assert alive(int(parent.stdout.readline()))
        parent.kill()


def test_stop_is_polite_first_where_it_may(tmp_path: Path, write_script: Callable[[str, str], Path]) -> None:
    script = write_script("polite", "trap 'echo bye; exit 7' TERM\necho up\nwhile :; do sleep 0.01; done")
    process = Process([script], log=tmp_path / "log")
    eventually(lambda: "up" in process.last_lines())
    process.stop(grace_seconds=_SECONDS)

    assert process.returncode() == 7
    assert process.last_lines().endswith("bye")


def test_stop_does_not_wait_for_the_stubborn(tmp_path: Path, write_script: Callable[[str, str], Path]) -> None:
    script = write_script("stubborn", "trap '' TERM\necho up\nwhile :; do sleep 0.01; done")
    process = Process([script], log=tmp_path / "log")
    eventually(lambda: "up" in process.last_lines())
    process.stop(grace_seconds=0.1)

    assert process.returncode() == 128 + signal.SIGKILL
    assert not alive(process.pid)
    process.stop()


def test_whole_group_ends(tmp_path: Path, write_script: Callable[[str, str], Path]) -> None:
    process = Process([write_script("family", "sleep 600 &\necho $!\nwait")], log=tmp_path / "log")
    eventually(lambda: process.last_lines() != "")
    process.stop()

    eventually(lambda: not alive(int(process.last_lines())))


def test_missing_program_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"no-such can't be started: .*No such file or directory"):
        Process([tmp_path / "no-such"], log=tmp_path / "log")
