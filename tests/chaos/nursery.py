"""Starts operators quickly: has the operator's modules loaded already, and forks a process for each start.

    python -m chaos.nursery SOCKET [--break NAME]

Each is a process of its own that runs `imagecopy run`, as the command would, less the two seconds of loading modules;
with `cold` it is the command itself. Speaks lines of JSON over a Unix socket: `start` and `signal` come in, `started`
and `ended` go out. All operators end when the socket is closed.
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
from imagecopy import app, cli, health, logs, settings  # noqa: F401  (loaded for the forks)
from imagecopy.kube import connection  # noqa: F401

_PR_SET_PDEATHSIG: Final = 1
_COMMAND: Final = Path(sys.executable).with_name("imagecopy")


def main() -> None:
    """Serve one client until it goes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("socket", help="its name, an abstract one: a path in TMPDIR may be too long for a socket")
    parser.add_argument("--break", dest="way", choices=sorted(broken.WAYS))
    options = parser.parse_args()
    if options.way:
        broken.WAYS[options.way]()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"\0{options.socket}")
        listener.listen(1)
        client, _ = listener.accept()
    gc.collect()
    gc.freeze()
    _Nursery(client).serve()


class _Nursery:
    def __init__(self, client: socket.socket) -> None:
        self._client = client
        self._pids: dict[str, int] = {}
        self._heard, self._told = os.pipe()

    def serve(self) -> None:
        os.set_blocking(self._told, False)
        signal.set_wakeup_fd(self._told, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        with selectors.DefaultSelector() as selector:
            selector.register(self._client, selectors.EVENT_READ)
            selector.register(self._heard, selectors.EVENT_READ)
            pending = b""
            while True:
                for key, _ in selector.select():
                    if key.fileobj is not self._client:
                        os.read(self._heard, 256)
                        self._reap()
                        continue
                    got = self._client.recv(65536)
                    if not got:
                        self._end()
                        return
                    *lines, pending = (pending + got).split(b"\n")
                    for line in lines:
                        self._obey(json.loads(line))

    def _obey(self, order: dict[str, Any]) -> None:
        name = order["id"]
        if order["do"] == "start":
            pid = os.fork()
            if pid == 0:
                self._become(order)
            self._pids[name] = pid
            self._say(id=name, started=pid)
        elif name in self._pids:
            os.kill(self._pids[name], order["number"])

    def _become(self, order: dict[str, Any]) -> NoReturn:
        """Be the operator; never return."""
        code = 70
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            if sys.platform == "linux":
                ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            os.dup2(log, 1)
            os.dup2(log, 2)
            os.closerange(3, 256)
            os.environ.clear()
            os.environ.update(order["env"])
            if order["cold"]:
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
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                del self._pids[name]
                self._say(id=name, ended=os.waitstatus_to_exitcode(status))

    def _end(self) -> None:
        for pid in self._pids.values():
            os.kill(pid, signal.SIGKILL)

    def _say(self, **words: object) -> None:
        self._client.sendall(json.dumps(words).encode() + b"\n")


if __name__ == "__main__":
    main()
