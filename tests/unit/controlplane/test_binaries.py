"""The sources of the programs, and the messages when a source fails."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from controlplane import download, gobuild, versions
from controlplane.binaries import find_binaries
from controlplane.errors import AssetsError, BinariesError, BuildError
from controlplane.store import Store

from .fakes import FakeBuild, Releases, put_programs


def test_assets_come_first_and_ask_no_network(
    tmp_path: Path, cache: Path, releases: Releases, build: FakeBuild, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_programs(tmp_path / "assets", versions.CORE)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path / "assets"))

    found = find_binaries(sources=releases.sources(), cache=cache, build=build)

    assert found.folders() == [tmp_path / "assets"]
    assert found.helm is None
    assert (releases.asked, build.built) == ([], [])


def test_assets_without_a_program_are_refused_by_name(
    tmp_path: Path, cache: Path, build: FakeBuild, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_programs(tmp_path / "assets", ["etcd", "kube-apiserver"])
    (tmp_path / "assets" / "kubectl").write_text("not executable")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path / "assets"))

    with pytest.raises(AssetsError, match=r"KUBEBUILDER_ASSETS=.*/assets has no executable kubectl\."):
        find_binaries(cache=cache, build=build)
    assert build.built == []


def test_assets_are_completed_with_released_extras(
    tmp_path: Path, cache: Path, releases: Releases, build: FakeBuild, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_programs(tmp_path / "assets", versions.CORE)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path / "assets"))
    releases.put_extras()

    found = find_binaries(versions.ALL, sources=releases.sources(), cache=cache, build=build)

    assert found.etcd.parent == tmp_path / "assets"
    assert found.helm is not None
    assert found.helm.read_bytes() == b"#!/bin/sh\n"
    assert build.built == []


def test_released_archive_is_taken_and_kept(cache: Path, releases: Releases, build: FakeBuild) -> None:
    releases.put_envtest()
    first = find_binaries(sources=releases.sources(), cache=cache, build=build)
    second = find_binaries(sources=releases.sources(), cache=cache, build=build)

    assert first == second
    assert len(releases.asked) == 1
    assert build.built == []


def test_released_core_and_extras_share_a_folder(cache: Path, releases: Releases, build: FakeBuild) -> None:
    releases.put_envtest()
    releases.put_extras()
    found = find_binaries(versions.ALL, sources=releases.sources(), cache=cache, build=build)

    assert len(found.folders()) == 1
    assert build.built == []


def test_archive_with_another_hash_is_refused_and_not_kept(
    cache: Path, releases: Releases, build: FakeBuild, capsys: pytest.CaptureFixture[str]
) -> None:
    releases.put_envtest()
    releases.envtest_sha512 = "0" * 128

    found = find_binaries(sources=releases.sources(), cache=cache, build=build)

    assert found.etcd.parent.name == gobuild.cache_key()
    assert f"that of the release is {'0' * 128}; the file was deleted" in capsys.readouterr().err
    assert not list(cache.glob("released-*/*"))


def test_extras_with_another_hash_are_refused(cache: Path, releases: Releases, build: FakeBuild) -> None:
    releases.put_envtest()
    releases.put_extras()
    for path in releases.files:
        if path.endswith("kube-controller-manager"):
            releases.files[path] += b"tampered"

    found = find_binaries(versions.ALL, sources=releases.sources(), cache=cache, build=build)

    assert build.built == [["kube-controller-manager", "helm"]]
    assert found.kube_controller_manager is not None
    assert found.kube_controller_manager.parent.name == gobuild.cache_key()


@pytest.fixture
def closed_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture
def silent_port() -> Iterator[str]:
    """Accepts connections (the kernel does) and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_offline_is_said_in_one_line_and_the_build_is_next(
    cache: Path, closed_port: str, build: FakeBuild, capsys: pytest.CaptureFixture[str]
) -> None:
    begin = time.monotonic()
    find_binaries(sources=download.Sources(envtest=closed_port), cache=cache, build=build)

    assert time.monotonic() - begin < download.FIRST_ANSWER_SECONDS
    assert build.built == [list(versions.CORE)]
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"controlplane: the envtest archive can't be downloaded ({closed_port}/envtest-")
    assert line.endswith("building with Go instead")


def test_silent_network_is_given_up_in_time(
    cache: Path, silent_port: str, build: FakeBuild, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "FIRST_ANSWER_SECONDS", 0.2)
    monkeypatch.setattr(download, "_SILENCE_SECONDS", 0.5)
    begin = time.monotonic()
    find_binaries(sources=download.Sources(envtest=silent_port), cache=cache, build=build)

    assert time.monotonic() - begin < 5  # the limits as they are take longer
    assert build.built == [list(versions.CORE)]


def test_proxy_of_the_environment_is_used(
    cache: Path, closed_port: str, build: FakeBuild, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.getsockname()[1]}")
        monkeypatch.setattr(download, "FIRST_ANSWER_SECONDS", 0.5)
        monkeypatch.setattr(download, "_SILENCE_SECONDS", 0.5)
        find_binaries(sources=download.Sources(envtest="https://releases.invalid"), cache=cache, build=build)
        asked, _ = proxy.accept()
        with asked:
            assert asked.recv(100).startswith(b"CONNECT releases.invalid:443")


def test_each_closed_way_is_in_the_final_message(cache: Path, closed_port: str) -> None:
    def failing(*_: object) -> None:
        raise BuildError("there is no go")

    with pytest.raises(BinariesError, match=r"(?s)can't get etcd.*envtest archive can't be downloaded.*there is no go"):
        find_binaries(sources=download.Sources(envtest=closed_port), cache=cache, build=failing)


def test_programs_built_before_are_taken_without_network(cache: Path, releases: Releases, build: FakeBuild) -> None:
    put_programs(Store(gobuild.cache_key(), cache).folder, versions.ALL)
    found = find_binaries(versions.ALL, sources=releases.sources(), cache=cache, build=build)

    assert found.folders() == [cache / gobuild.cache_key()]
    assert (releases.asked, build.built) == ([], [])


def test_unknown_program_is_a_mistake_of_the_caller(cache: Path, build: FakeBuild) -> None:
    with pytest.raises(ValueError, match="no such program: kubelet"):
        find_binaries(["kubelet"], cache=cache, build=build)
