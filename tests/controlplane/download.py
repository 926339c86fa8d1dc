"""Downloads the programs from their releases, checks their hashes, and unpacks them.

Without internet access this fails within seconds, whatever the reason (no DNS, no route, a proxy that does not answer,
a silent firewall), so that the caller can use another source. HTTPS_PROXY and NO_PROXY are respected.
"""

import hashlib
import shutil
import tarfile
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from controlplane import versions
from controlplane.errors import DownloadError, HashMismatchError
from controlplane.progress import Progress

CONNECT_SECONDS: Final = 3.0
FIRST_ANSWER_SECONDS: Final = 8.0
_SILENCE_SECONDS: Final = 20.0
_SMALL_BYTES: Final = 4096


@dataclass(frozen=True)
class Sources:
    """URLs of the releases, without a slash at the end. Tests use servers of their own."""

    envtest: str = "https://github.com/kubernetes-sigs/controller-tools/releases/download"
    kubernetes: str = "https://dl.k8s.io/release"
    helm: str = "https://get.helm.sh"
    envtest_sha512: Callable[[str], str | None] = versions.ENVTEST_SHA512.get


def released_core(sources: Sources, into: Path, names: Collection[str]) -> None:
    """Put etcd, kube-apiserver and kubectl of the envtest archive into a folder; raise DownloadError."""
    host = versions.host_platform()
    expected = sources.envtest_sha512(host)
    if expected is None:
        raise DownloadError(f"there is no envtest archive of {versions.ENVTEST} for {host}")
    name = f"envtest-{versions.ENVTEST}-{host}.tar.gz"
    archive = into / name
    fetch(f"{sources.envtest}/envtest-{versions.ENVTEST}/{name}", archive)
    check_hash(archive, "sha512", expected)
    unpack(archive, into, names)


def released_extras(sources: Sources, into: Path, names: Collection[str]) -> None:
    """Put kube-controller-manager and helm, if named, into a folder; raise DownloadError."""
    system, architecture = versions.host_platform().split("-", 1)
    if versions.CONTROLLER_MANAGER in names:
        program = into / versions.CONTROLLER_MANAGER
        where = f"{sources.kubernetes}/{versions.KUBERNETES}/bin/{system}/{architecture}/{program.name}"
        expected = fetch_text(f"{where}.sha256").strip()
        fetch(where, program)
        check_hash(program, "sha256", expected)
        program.chmod(0o755)
    if versions.HELM_PROGRAM in names:
        name = f"helm-{versions.HELM}-{system}-{architecture}.tar.gz"
        expected = fetch_text(f"{sources.helm}/{name}.sha256sum").split(maxsplit=1)[0]
        archive = into / name
        fetch(f"{sources.helm}/{name}", archive)
        check_hash(archive, "sha256", expected)
        unpack(archive, into, [versions.HELM_PROGRAM])


def check_hash(path: Path, algorithm: str, expected: str) -> None:
    """Compare a file with its hash in hexadecimal. Delete it and raise HashMismatchError if they differ."""
    with path.open("rb") as file:
        actual = hashlib.file_digest(file, algorithm).hexdigest()
    if actual != expected.lower():
        path.unlink()
        raise HashMismatchError(
            f"{path.name}: its {algorithm} is {actual}, that of the release is {expected}; the file was deleted"
        )


def unpack(archive: Path, into: Path, names: Collection[str]) -> None:
    """Extract the named programs from any folder of a .tar.gz; raise DownloadError."""
    wanted = set(names)
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                name = Path(member.name).name
                content = tar.extractfile(member) if member.isfile() and name in wanted else None
                if content is None:
                    continue
                with (into / name).open("wb") as program:
                    shutil.copyfileobj(content, program)
                (into / name).chmod(0o755)
                wanted.discard(name)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise DownloadError(f"{archive.name} can't be unpacked: {error}") from error
    if wanted:
        raise DownloadError(f"{archive.name} does not contain {', '.join(sorted(wanted))}")


def fetch_text(url: str) -> str:
    """Download a small text; return its first 4 KiB. Raise DownloadError."""
    return _Transfer(url, None).run().decode("ascii", "replace")


def fetch(url: str, to: Path) -> None:
    """Download into a file, with progress. Raise DownloadError, and then leave no file."""
    try:
        _Transfer(url, to).run()
    except BaseException:
        to.unlink(missing_ok=True)
        raise


class _Transfer:
    """One download in a thread of its own, because a DNS lookup has no timeout and can take 30 s."""

    def __init__(self, url: str, to: Path | None) -> None:
        self._url = url
        self._to = to
        self._answered = threading.Event()
        self._given_up = threading.Event()
        self._ended = threading.Event()
        self._error: Exception | None = None
        self._total = 0
        self._done = 0
        self._text = b""

    def run(self) -> bytes:
        name = self._url.rsplit("/", 1)[-1]
        threading.Thread(target=self._run, name=f"download of {name}", daemon=True).start()
        try:
            if not self._answered.wait(FIRST_ANSWER_SECONDS):
                raise DownloadError(f"{self._url}: no answer within {FIRST_ANSWER_SECONDS:.0f} s")
            if self._to is None:
                self._ended.wait()
            elif not self._error:
                with Progress(f"downloading {name}", detail=self._detail):
                    self._ended.wait()
                    self._raise()
            self._raise()
        finally:
            self._given_up.set()
        return self._text

    def _raise(self) -> None:
        if self._error:
            reason = str(self._error) or type(self._error).__name__
            raise DownloadError(f"{self._url}: {reason}") from self._error

    def _run(self) -> None:
        try:
            timeout = httpx.Timeout(_SILENCE_SECONDS, connect=CONNECT_SECONDS)
            with httpx.stream("GET", self._url, timeout=timeout, follow_redirects=True) as response:
                response.raise_for_status()
                self._total = int(response.headers.get("content-length", 0))
                self._answered.set()
                self._save(response)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            self._error = error
        finally:
            self._answered.set()
            self._ended.set()

    def _save(self, response: httpx.Response) -> None:
        if self._to is None:
            self._text = next(response.iter_bytes(_SMALL_BYTES), b"")
            return
        with self._to.open("wb") as file:
            for chunk in response.iter_bytes():
                if self._given_up.is_set():
                    return
                file.write(chunk)
                self._done += len(chunk)

    def _detail(self) -> str:
        of = f" of {self._total / 1e6:.0f}" if self._total else ""
        return f"{self._done / 1e6:.0f}{of} MB"
