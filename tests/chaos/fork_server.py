"""A fork server for operators: it has the operator's modules loaded, and forks a process for each start.

    python -m chaos.fork_server SOCKET [--break NAME]

Each process runs `imagecopy run` without the two seconds that loading the modules takes. With `cold` it executes the
command itself. Client and server exchange lines of JSON over a Unix socket: the client sends `start` and `signal`, the
server sends `started` and `ended`. All operators end when the socket is closed.
"""

import argparse
import contextlib
import ctypes
import gc
import json
import os
import selectors
import signal
import socket
import sys
import traceback
from pathlib import Path
from typing import Any, Final, NoReturn

from chaos import broken
from imagecopy import app, cli, logs, settings  # noqa: F401  (loaded for the forks)
from imagecopy.kube import connection  # noqa: F401
from imagecopy.watch import endpoints  # noqa: F401

_PR_SET_PDEATHSIG: Final = 1
_COMMAND: Final = Path(sys.executable).with_name("imagecopy")


def main() -> None:
    """Serve one client until it disconnects."""
    parser = argparse.ArgumentParser()
    parser.add_argument("socket", help="name of an abstract socket, as a path in TMPDIR may be too long for one")
    parser.add_argument("--break", dest="mutation", choices=sorted(broken.MUTATIONS))
    options = parser.parse_args()
    if options.mutation:
        broken.MUTATIONS[options.mutation]()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"\0{options.socket}")
        listener.listen(1)
        client, _ = listener.accept()
    gc.collect()
    gc.freeze()
    _ForkServer(client).serve()


class _ForkServer:
    def __init__(self, client: socket.socket) -> None:
        self._client = client
        self._pids: dict[str, int] = {}
        self._wakeup_reader, self._wakeup_writer = os.pipe()

    def serve(self) -> None:
        os.set_blocking(self._wakeup_writer, False)
        signal.set_wakeup_fd(self._wakeup_writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        with selectors.DefaultSelector() as selector:
            selector.register(self._client, selectors.EVENT_READ)
            selector.register(self._wakeup_reader, selectors.EVENT_READ)
            pending = b""
            while True:
                for key, _ in selector.select():
                    if key.fileobj is not self._client:
                        os.read(self._wakeup_reader, 256)
                        self._reap()
                        continue
                    received = self._client.recv(65536)
                    if not received:
                        self._kill_all()
                        return
                    *lines, pending = (pending + received).split(b"\n")
                    for line in lines:
                        self._execute(json.loads(line))

    def _execute(self, command: dict[str, Any]) -> None:
        name = command["id"]
        if command["do"] == "start":
            pid = os.fork()
            if pid == 0:
                self._run_operator(command)
            self._pids[name] = pid
            self._send(id=name, started=pid)
        elif name in self._pids:
            os.kill(self._pids[name], command["number"])

    def _run_operator(self, command: dict[str, Any]) -> NoReturn:
        """Turn this forked process into the operator. It never returns."""
        code = 70
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            if sys.platform == "linux":
                ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            log = os.open(command["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            os.dup2(log, 1)
            os.dup2(log, 2)
            os.closerange(3, 256)
            os.environ.clear()
            os.environ.update(command["env"])
            if command["cold"]:
                os.execv(_COMMAND, [str(_COMMAND), "run"])
            cli.main(["run"], prog_name="imagecopy")
        except SystemExit as exc:
            code = exc.code if isinstance(exc.code, int) else 1
        except BaseException:
            traceback.print_exc()
        finally:
            with contextlib.suppress(BaseException):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)

    def _reap(self) -> None:
        for name, pid in list(self._pids.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                del self._pids[name]
                self._send(id=name, ended=os.waitstatus_to_exitcode(status))

    def _kill_all(self) -> None:
        for pid in self._pids.values():
            os.kill(pid, signal.SIGKILL)

    def _send(self, **message: object) -> None:
        self._client.sendall(json.dumps(message).encode() + b"\n")


if __name__ == "__main__":
    main()
