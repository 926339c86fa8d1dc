"""What the build of the image removes is needed neither by the programs nor by the logins of a kubeconfig.

That an operator works with the rest is shown in tests/e2e/install/test_image.py.
"""

import base64
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from support import image_tree

REPO = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # Beside the environment, as files are linked, which works within one file system only.
    return image_tree.make(tmp_path_factory.mktemp("tree"))


def run(tree: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("IMAGECOPY_", "KUBE"))}
    programs = Path(sys.executable).parent
    command = [str(programs / words[0]), *words[1:]]
    environment = clean | {"PYTHONPATH": str(tree)} | env
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_most_of_the_package_goes(tree: Path) -> None:
    left = sum(path.stat().st_size for path in (tree / "kubernetes").rglob("*.py"))
    assert left < 6_000_000


@pytest.mark.parametrize(
    "words",
    [("imagecopy", "--version"), ("imagecopy", "run", "--help"), ("ims-simulator", "--help")],
    ids=" ".join,
)
def test_the_programs_start(tree: Path, words: tuple[str, ...]) -> None:
    done = run(tree, *words)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_crds_are_written(tree: Path, tmp_path: Path) -> None:
    assert run(tree, "imagecopy", "crds", "--output", str(tmp_path)).returncode == 0
    assert len(list(tmp_path.iterdir())) == 3


EXEC = {
    "apiVersion": "client.authentication.k8s.io/v1",
    "command": "sh",
    "args": ["-c", """echo '{"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1",
 "status": {"token": "from-a-plugin"}}'"""],
    "interactiveMode": "Never",
}  # fmt: skip


def _part(data: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(data).encode()).rstrip(b"=").decode()


ID_TOKEN = f"{_part({'alg': 'none'})}.{_part({'exp': time.time() + 3600})}.signature"
OIDC = {"name": "oidc", "config": {"id-token": ID_TOKEN, "idp-issuer-url": "https://localhost", "client-id": "x"}}


@pytest.mark.parametrize(
    ("user", "token"), [({"exec": EXEC}, "from-a-plugin"), ({"auth-provider": OIDC}, ID_TOKEN)], ids=["exec", "oidc"]
)
def test_a_kubeconfig_may_log_in_by_plugin(tree: Path, tmp_path: Path, user: object, token: str) -> None:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": "https://localhost:6443"}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    code = (
        "import asyncio, kubernetes; from imagecopy.kube import connection\n"
        "async def main():\n"
        "    configuration = await connection.load()\n"
        "    print(kubernetes.__file__, await configuration.get_api_key_with_prefix('BearerToken'), sep='\\n')\n"
        "asyncio.run(main())"
    )
    done = run(tree, "python", "-c", code, KUBECONFIG=str(path))
    assert done.stdout.splitlines() == [str(tree / "kubernetes" / "__init__.py"), f"Bearer {token}"], done.stderr


def test_the_time_of_the_build_goes_with_its_line_in_the_record(tmp_path: Path) -> None:
    info = tmp_path / "imagecopy_operator-1.dist-info"
    info.mkdir()
    (info / "uv_cache.json").write_text("{}")
    (info / "RECORD").write_text("a.py,,\nimagecopy_operator-1.dist-info/uv_cache.json,sha256=x,2\n")
    assert run(tmp_path, "python", str(image_tree.SLIM), "packages", str(tmp_path)).returncode == 0
    assert [path.name for path in info.iterdir()] == ["RECORD"]
    assert (info / "RECORD").read_text() == "a.py,,\n"


def test_the_image_and_the_checkout_use_one_uv() -> None:
    dockerfile = re.search(r"^ARG UV_IMAGE=\S+:([\d.]+)", (REPO / "Dockerfile").read_text(), re.MULTILINE)
    makefile = re.search(r"^UV_VERSION := (\S+)", (REPO / "Makefile").read_text(), re.MULTILINE)
    assert dockerfile is not None
    assert makefile is not None
    assert dockerfile[1] == makefile[1]
