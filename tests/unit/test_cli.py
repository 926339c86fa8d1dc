"""The command ``imagecopy``, as a shell sees it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from imagecopy import __version__
from imagecopy.cli import main
from imagecopy.settings import Settings


def run(*words: str, **env: str | None) -> Result:
    clean: dict[str, str | None] = {name: None for name in os.environ if name.startswith("IMAGECOPY_")}
    return CliRunner().invoke(main, words, env=clean | env)


def test_help_lists_every_knob() -> None:
    result = run("run", "--help", COLUMNS="200")
    assert result.exit_code == 0
    missing = [name for name in Settings.model_fields if f"IMAGECOPY_{name.upper()}" not in result.output]
    assert missing == []
    assert "KUBECONFIG" in result.output


def test_the_version_is_told() -> None:
    assert __version__ in run("--version").output


@pytest.mark.parametrize(
    ("name", "value"),
    [("IMAGECOPY_LOG_FORMAT", "xml"), ("IMAGECOPY_HEALTH_PORT", "x"), ("IMAGECOPY_NAMESPACES", "Bad_")],
)
def test_a_bad_value_ends_the_operator_with_a_message(name: str, value: str) -> None:
    result = run("run", **{name: value})
    assert result.exit_code == 1
    assert f"imagecopy: {name}={value!r}" in result.stderr
    assert "Traceback" not in result.output


def test_a_way_to_no_cluster_ends_the_operator_with_a_message(tmp_path: Path) -> None:
    """A process of its own: it sets up logs and an event loop. Takes most of a second, which is its imports."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("IMAGECOPY_", "KUBE"))}
    env |= {"KUBECONFIG": str(tmp_path / "nowhere"), "IMAGECOPY_LOGLEVEL": "debug", "HOME": str(tmp_path)}
    command = [sys.executable, "-c", "from imagecopy.cli import main; main()", "run"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "imagecopy: no cluster: the file named by KUBECONFIG, " in done.stderr
    assert "imagecopy: IMAGECOPY_LOGLEVEL is not a setting of this version and has no effect" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_crds_are_written_where_asked(tmp_path: Path) -> None:
    result = run("crds", "--output", str(tmp_path / "new" / "crds"))
    assert result.exit_code == 0
    written = sorted(path.name for path in (tmp_path / "new" / "crds").iterdir())
    assert written == [
        f"imagecopy.io_{kind}.yaml" for kind in ("clusterimageproviders", "imagecopies", "imageproviders")
    ]
    assert [Path(line).name for line in sorted(result.output.splitlines())] == written


def test_the_crds_need_a_folder() -> None:
    result = run("crds")
    assert result.exit_code == 2
    assert "--output" in result.stderr
