"""Runs one program and ends it for certain when the process that asked for it is gone.

A program of its own, started by `controlplane.process` as `python guard.py REMOVE LOG COMMAND...`; it knows
the standard library only, so that it starts quickly. It holds the program in a process group of its own.

- Its stdin is a pipe whose other end its parent holds. End of file, or another parent than at the start,
  means that the parent died, however it died: the group is killed, and the folder REMOVE (may be empty) too.
- SIGTERM ends the group politely, SIGQUIT at once. It then exits with the code of the program.
- Linux kills the program, should the guard itself be killed (PR_SET_PDEATHSIG). The parent does not use
  PR_SET_PDEATHSIG itself, because that signal comes when the *thread* that started the child ends, and
  pytest and asyncio start things from threads.

The first line of stdout is the process id of the program, or `error: ` and why it could not be started.
"""

import contextlib
import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys

_PR_SET_PDEATHSIG = 1
_PARENT_CHECK_SECONDS = 1.0


def _die_with_guard() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _signal_group(child: "subprocess.Popen[bytes]", number: int) -> None:
    # Only `poll` in this one thread reaps the leader, so until then its number cannot be another's.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, number)


def _report(line: str) -> None:
    with contextlib.suppress(BrokenPipeError):
        os.write(1, f"{line}\n".encode())


def _listen() -> int:
    """Return a descriptor that yields the number of each signal that arrives, one byte each."""
    heard, told = os.pipe()
    os.set_blocking(told, False)
    signal.set_wakeup_fd(told)
    for number in (signal.SIGTERM, signal.SIGQUIT, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    return heard


def main(remove: str, log: str, command: list[str]) -> int:
    """Run the command until it ends or has to; return its exit code."""
    parent = os.getppid()
    signals = _listen()
    try:
        with open(log, "ab") as output:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_guard,
            )
    except OSError as error:
        _report(f"error: {error}")
        return 127
    _report(str(child.pid))
    lifeline = 0
    orphaned = False
    while child.poll() is None:
        ready, _, _ = select.select([lifeline, signals], [], [], _PARENT_CHECK_SECONDS)
        if lifeline in ready or os.getppid() != parent:
            orphaned = True
            _signal_group(child, signal.SIGKILL)
            break
        if signals in ready:
            for number in os.read(signals, 64):
                if number == signal.SIGTERM:
                    _signal_group(child, signal.SIGTERM)
                elif number == signal.SIGQUIT:
                    _signal_group(child, signal.SIGKILL)
    code = child.wait()
    # Each guard of a control plane does this after its own program is dead: the last one leaves nothing.
    if orphaned and remove:
        shutil.rmtree(remove, ignore_errors=True)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
