"""What the operator does not import."""

import subprocess
import sys

_PROGRAM = """
import sys
from imagecopy.kube import async_only
async_only.leave_out_synchronous_client()
from imagecopy import app
from kubernetes.aio.client import ApiClient
left_out = ("requests", "requests_oauthlib", "websocket", "kubernetes.config.kube_config")
print([name for name in left_out if name in sys.modules])
"""


def test_the_synchronous_client_is_left_out() -> None:
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
