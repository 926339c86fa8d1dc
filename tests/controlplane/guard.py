"""Runs one program, and kills it when the process that started the guard has ended.

This is a program of its own, started by `controlplane.process` as `python guard.py REMOVE LOG COMMAND...`. It imports
only the standard library, so that it starts quickly. The program runs in a process group of its own.

- The parent holds the other end of the guard's stdin, a pipe. End of file, or another parent than at the start, means
  that the parent has died. The guard then kills the group and removes the folder REMOVE, unless that is empty.
- SIGTERM terminates the group, SIGQUIT kills it. The guard then exits with the exit code of the program.
- If the guard itself is killed, Linux kills the program (PR_SET_PDEATHSIG). The parent can't use PR_SET_PDEATHSIG,
  because that signal comes when the *thread* that started the child ends, and pytest and asyncio use threads.

The first line of stdout is the process id of the program, or `error: ` and the reason why it can't be started.
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
    # Only `poll` in this thread reaps the leader, so until then no other process can have its id.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, number)


def _report(line: str) -> None:
    with contextlib.suppress(BrokenPipeError):
        os.write(1, f"{line}\n".encode())


def _listen() -> int:
    """Return a file descriptor that delivers the number of each signal as one byte."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    for number in (signal.SIGTERM, signal.SIGQUIT, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    return reader


def main(remove: str, log: str, command: list[str]) -> int:
    """Run the command until it ends or is ended; return its exit code."""
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
    # Each guard of a control plane does this after its program has ended, so the last one removes everything.
    if orphaned and remove:
        shutil.rmtree(remove, ignore_errors=True)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
