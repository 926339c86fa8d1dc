"""A TLS proxy in front of a simulator, with a self-signed certificate."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from support import certificates
from support.processes import HOST


def self_signed(folder: Path) -> tuple[Path, str]:
    """Return a new file with key and certificate, and the certificate as PEM."""
    private, certificate = certificates.self_signed(HOST, authority=True)
    both = folder / "private-cloud.pem"
    both.write_text(private + certificate)
    return both, certificate


@contextmanager
def tls_front(port: int, behind: int, both: Path) -> Iterator[None]:
    """Accept TLS connections on `port`, and forward them in plain to the port `behind`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    server = socket.create_server((HOST, port))
    threading.Thread(target=_serve, args=(server, context, behind), daemon=True).start()
    try:
        yield
    finally:
        server.close()


def _serve(server: socket.socket, context: ssl.SSLContext, behind: int) -> None:
    while True:
        try:
            plain, _ = server.accept()
        except OSError:
            return
        threading.Thread(target=_forward, args=(plain, context, behind), daemon=True).start()


def _forward(plain: socket.socket, context: ssl.SSLContext, behind: int) -> None:
    with (
        suppress(OSError),
        context.wrap_socket(plain, server_side=True) as front,
        socket.create_connection((HOST, behind)) as back,
    ):
        answers = threading.Thread(target=_pipe, args=(back, front), daemon=True)
        answers.start()
        _pipe(front, back)
        with suppress(OSError):
            back.shutdown(socket.SHUT_WR)
        answers.join()


def _pipe(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(65536):
            sink.sendall(piece)
