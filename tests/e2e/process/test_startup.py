"""Errors at the start of the operator, and waiting for the API server."""

import socket
import subprocess
from pathlib import Path

import yaml

from controlplane import ControlPlane
from controlplane.components import free_ports
from e2e.environment import Environment
from e2e.parallel import parallel_with_own_operator
from support.processes import HOST, operator_environment, program

_SECONDS = 90


def _run(kubeconfig: Path, **settings: str) -> tuple[int, str]:
    """Run an operator that can't start; return its exit code and its output."""
    environment = operator_environment(kubeconfig, settings)
    command = [str(program("imagecopy")), "run"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_SECONDS)
    return done.returncode, done.stdout + done.stderr


def test_wrong_settings_are_all_named_with_what_is_allowed(tmp_path: Path) -> None:
    code, said = _run(
        tmp_path / "none",
        IMAGECOPY_LOG_FORMAT="xml",
        IMAGECOPY_MIN_POLL_SECONDS="soon",
        IMAGECOPY_METRICS_PORT="99999",
        IMAGECOPY_NAMESPACES="Team A",
        IMAGECOPY_ENDPOINT_ALLOWLIST="https://ims.example.com",
    )
    assert code == 1
    heading, *listed = said.splitlines()
    assert heading == "imagecopy: these settings can't be used:"
    lines = {line.removeprefix("- ").partition("=")[0]: line for line in listed}
    assert "'json' or 'console'" in lines["IMAGECOPY_LOG_FORMAT"]
    assert "valid number" in lines["IMAGECOPY_MIN_POLL_SECONDS"]
    assert "65535" in lines["IMAGECOPY_METRICS_PORT"]
    assert "names, separated by commas" in lines["IMAGECOPY_NAMESPACES"]
    assert "host:port" in lines["IMAGECOPY_ENDPOINT_ALLOWLIST"]
    assert len(lines) == 5, said


def test_unusable_kubeconfig_is_named(tmp_path: Path) -> None:
    code, said = _run(tmp_path / "none")
    assert code == 1
    assert said == f"imagecopy: no cluster: the file named by KUBECONFIG, {tmp_path / 'none'}, does not exist\n"


def test_taken_port_is_named_with_its_variable(control_plane: ControlPlane) -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        code, said = _run(control_plane.kubeconfig, IMAGECOPY_HEALTH_PORT=port, IMAGECOPY_METRICS_PORT="0")
    assert code == 1
    assert f"IMAGECOPY_HEALTH_PORT={port}" in said
    assert "Traceback" not in said


@parallel_with_own_operator
def test_api_server_that_does_not_answer_is_waited_for_and_named(env: Environment) -> None:
    config = yaml.safe_load(env.api.plane.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = f"https://{HOST}:{free_ports(1)[0]}"
    kubeconfig = env.shared.folder / "nowhere.kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(config))
    operator = env.shared.operator("nowhere", kubeconfig=kubeconfig)
    try:
        # The operator waits half a minute for the API server, which may be restarting.
        assert operator.process.wait(90) == 1
    finally:
        operator.kill()
    assert "waiting for the API server" in operator.last_lines()
    assert "imagecopy: the API server can't be used" in operator.last_lines()
    assert "Traceback" not in operator.log.read_text()
