"""Gets the programs of a control plane from KUBEBUILDER_ASSETS, else from the releases, else by building them with Go.

Programs that were downloaded or built once stay in the cache (`store`) and are then used without network access. A
source that fails is reported in one line on stderr, and the next one is tried.
"""

import os
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from controlplane import download, gobuild, versions
from controlplane.errors import AssetsError, BinariesError, DownloadError
from controlplane.progress import say
from controlplane.store import Store, cache_root, is_program

ASSETS_VARIABLE: Final = "KUBEBUILDER_ASSETS"

Build = Callable[[Path, Path, Collection[str]], None]


@dataclass(frozen=True)
class Binaries:
    """Paths of the programs. The last two are None if they were neither requested nor available."""

    etcd: Path
    kube_apiserver: Path
    kubectl: Path
    kube_controller_manager: Path | None = None
    helm: Path | None = None

    def folders(self) -> list[Path]:
        """Return the folders that hold the programs, etcd's first. Usually it is one folder."""
        programs = (self.etcd, self.kube_apiserver, self.kubectl, self.kube_controller_manager, self.helm)
        return list(dict.fromkeys(program.parent for program in programs if program))


def find_binaries(
    need: Collection[str] = versions.CORE,
    *,
    sources: download.Sources | None = None,
    cache: Path | None = None,
    build: Build = gobuild.build,
) -> Binaries:
    """Return etcd, kube-apiserver, kubectl and the other needed programs of `versions.ALL`.

    It takes milliseconds if they are in the cache, and up to 10 minutes otherwise. Progress goes to stderr.

    Raises:
        AssetsError: the folder KUBEBUILDER_ASSETS lacks a program.
        BinariesError: no source has them; the message has the reason of each source.
    """
    unknown = set(need) - set(versions.ALL)
    if unknown:
        raise ValueError(f"no such program: {', '.join(sorted(unknown))}")
    extras = [name for name in versions.EXTRAS if name in need]
    found = _Search(sources or download.Sources(), cache or cache_root(), build).search(extras)
    return Binaries(
        etcd=found[versions.ETCD_PROGRAM],
        kube_apiserver=found[versions.APISERVER],
        kubectl=found[versions.KUBECTL],
        kube_controller_manager=found.get(versions.CONTROLLER_MANAGER),
        helm=found.get(versions.HELM_PROGRAM),
    )


class _Search:
    def __init__(self, sources: download.Sources, cache: Path, build: Build) -> None:
        pins = f"{versions.ENVTEST}-kubernetes-{versions.KUBERNETES}-helm-{versions.HELM}"
        self._released = Store(f"released-envtest-{pins}-{versions.host_platform()}", cache)
        self._built = Store(gobuild.cache_key(), cache)
        self._sources = sources
        self._build = partial(build, cache)
        self._reasons: list[str] = []

    def search(self, extras: Collection[str]) -> dict[str, Path]:
        assets = os.environ.get(ASSETS_VARIABLE)
        if assets:
            found = from_assets(Path(assets))
            return self._with_extras(found, extras)
        for store in (self._released, self._built):
            found = store.present(versions.ALL)
            if found.keys() >= {*versions.CORE, *extras}:
                return found
        if not self._built.present(versions.CORE).keys() >= set(versions.CORE):
            try:
                found = self._released.ensure(versions.CORE, partial(download.released_core, self._sources))
            except DownloadError as error:
                self._note(f"the envtest archive can't be downloaded ({error}); building with Go instead")
            else:
                return self._with_extras(found, extras)
        return self._from_source([*versions.CORE, *extras])

    def _with_extras(self, found: dict[str, Path], extras: Collection[str]) -> dict[str, Path]:
        missing = [name for name in extras if name not in found]
        for store in (self._released, self._built):
            found = store.present(missing) | found
        missing = [name for name in extras if name not in found]
        if not missing:
            return found
        try:
            make = partial(download.released_extras, self._sources)
            return found | self._released.ensure(missing, make)
        except DownloadError as error:
            self._note(f"{', '.join(missing)} can't be downloaded ({error}); building with Go instead")
        return found | self._from_source(missing)

    def _from_source(self, names: Collection[str]) -> dict[str, Path]:
        try:
            return self._built.ensure(names, self._build)
        except BinariesError as error:
            reasons = "\n".join([*self._reasons, str(error)])
            raise BinariesError(f"can't get {', '.join(names)}:\n{reasons}") from error

    def _note(self, reason: str) -> None:
        self._reasons.append(reason)
        say(reason)


def from_assets(folder: Path) -> dict[str, Path]:
    """Return the programs in a folder; raise AssetsError if etcd, kube-apiserver or kubectl is missing."""
    found = {name: folder.absolute() / name for name in versions.ALL if is_program(folder / name)}
    missing = [name for name in versions.CORE if name not in found]
    if missing:
        raise AssetsError(
            f"{ASSETS_VARIABLE}={folder} has no executable {', '.join(missing)}. Name a folder with "
            f"{', '.join(versions.CORE)}, or unset it to download or build them"
        )
    return found
