"""The errors of a control plane whose components fail. Scripts replace the programs."""

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from controlplane import components
from controlplane.binaries import Binaries
from controlplane.errors import ControlPlaneError, StartError
from controlplane.plane import ControlPlane

WriteScript = Callable[[str, str], Path]


@pytest.fixture
def fake(tmp_path: Path, write_script: WriteScript, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Binaries]:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def make(etcd: str) -> Binaries:
        idle = write_script("idle", "sleep 600")
        return Binaries(etcd=write_script("etcd", etcd), kube_apiserver=idle, kubectl=idle)

    return make


def left_over(tmp_path: Path) -> list[Path]:
    return list(tmp_path.glob("imagecopy-controlplane-*"))


def test_early_end_quotes_the_log_and_leaves_nothing(tmp_path: Path, fake: Callable[..., Binaries]) -> None:
    plane = ControlPlane(fake("echo 'panic: no space left'; exit 2"))
    with pytest.raises(StartError, match=r"etcd: ended with 2; the end of etcd\.log:\npanic: no space left"):
        plane.start()
    assert left_over(tmp_path) == []


def test_late_component_quotes_the_log_and_is_ended(tmp_path: Path, fake: Callable[..., Binaries]) -> None:
    plane = ControlPlane(fake("echo waiting; exec sleep 600"), ready_seconds=0.3)
    with pytest.raises(StartError, match=r"etcd: not ready after 0 s; .*\nwaiting"):
        plane.start()
    assert plane.pids == {}
    assert left_over(tmp_path) == []


def test_taken_port_is_tried_again_with_others(tmp_path: Path, fake: Callable[..., Binaries]) -> None:
    journal = tmp_path / "journal"
    plane = ControlPlane(fake(f'echo "$@" >> {shlex.quote(str(journal))}; echo "bind: address already in use"; exit 1'))
    with pytest.raises(StartError, match="address already in use"):
        plane.start()
    tries = journal.read_text().splitlines()
    assert len(set(tries)) == 3


def test_logs_outlive_the_plane_where_wanted(tmp_path: Path, fake: Callable[..., Binaries]) -> None:
    plane = ControlPlane(fake("echo kept; exit 1"), logs=tmp_path / "kept")
    with pytest.raises(StartError):
        plane.start()
    assert (tmp_path / "kept" / "etcd.log").read_text() == "kept\n"


def test_controllers_need_their_program(fake: Callable[..., Binaries]) -> None:
    with pytest.raises(ValueError, match=r"find_binaries\(versions\.ALL\)"):
        ControlPlane(fake(""), controller_manager=True)


def test_stopped_plane_says_so(fake: Callable[..., Binaries]) -> None:
    plane = ControlPlane(fake(""))
    plane.stop()
    with pytest.raises(ControlPlaneError, match="does not run"):
        plane.kubectl("get", "namespaces")


def test_ports_are_different_and_below_those_of_outgoing_connections() -> None:
    ports = components.free_ports(20)
    assert len(set(ports)) == 20
    assert all(20000 <= port < 32768 for port in ports)
