"""Fake programs and fake releases."""

import hashlib
import io
import tarfile
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from controlplane import versions
from controlplane.download import Sources

SCRIPT = b"#!/bin/sh\n"


def put_programs(folder: Path, names: Collection[str], content: bytes = SCRIPT) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(content)
        (folder / name).chmod(0o755)


def archive(folder: str, names: Collection[str], content: bytes = SCRIPT) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name in names:
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


@dataclass
class Releases:
    """A server on 127.0.0.1 with files by path; `asked` lists what was asked for."""

    url: str
    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    envtest_sha512: str = ""

    def sources(self) -> Sources:
        return Sources(self.url, f"{self.url}/kubernetes", f"{self.url}/helm", lambda _: self.envtest_sha512)

    def put_envtest(self) -> None:
        content = archive("controller-tools/envtest", versions.CORE)
        self.envtest_sha512 = hashlib.sha512(content).hexdigest()
        name = f"envtest-{versions.ENVTEST}-{versions.host_platform()}.tar.gz"
        self.files[f"/envtest-{versions.ENVTEST}/{name}"] = content

    def put_extras(self) -> None:
        host = versions.host_platform()
        program = f"/kubernetes/{versions.KUBERNETES}/bin/{host.replace('-', '/')}/kube-controller-manager"
        self.files[program] = SCRIPT
        self.files[f"{program}.sha256"] = hashlib.sha256(SCRIPT).hexdigest().encode()
        helm = f"/helm/helm-{versions.HELM}-{host}.tar.gz"
        self.files[helm] = archive(host, ["helm"])
        digest = hashlib.sha256(self.files[helm]).hexdigest()
        self.files[f"{helm}.sha256sum"] = f"{digest}  {helm.rsplit('/', 1)[-1]}\n".encode()


@dataclass
class FakeBuild:
    """Takes the place of the Go build; `built` lists what it was asked for."""

    built: list[list[str]] = field(default_factory=list)

    def __call__(self, cache: Path, into: Path, names: Collection[str]) -> None:
        self.built.append(list(names))
        put_programs(into, names)
