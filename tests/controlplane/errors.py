"""What can go wrong with the test control plane.

ControlPlaneError
├── BinariesError       the programs could not be got; the message lists every way that was tried
│   ├── AssetsError     KUBEBUILDER_ASSETS is set and does not hold what it must
│   ├── DownloadError   no answer, an HTTP error or a broken archive: the next way may still work
│   │   └── HashMismatchError   what came is not what was released: nothing of it was kept
│   └── BuildError      no Go to be had, or the compiler failed
├── StartError          a component did not become ready; the message ends with the last lines of its log
└── KubectlError        kubectl ended with another code than 0; the message ends with its stderr
"""


class ControlPlaneError(RuntimeError):
    """Root of the tree."""


class BinariesError(ControlPlaneError):
    """The programs could not be got."""


class AssetsError(BinariesError):
    """KUBEBUILDER_ASSETS does not hold what it must; no other way is tried, because the user chose this one."""


class DownloadError(BinariesError):
    """A release could not be downloaded; the next way may still work."""


class HashMismatchError(DownloadError):
    """A download differs from the released file; it was thrown away."""


class BuildError(BinariesError):
    """Building from source failed."""


class StartError(ControlPlaneError):
    """A component ended early or was not ready in time."""


class KubectlError(ControlPlaneError):
    """Kubectl failed."""

    def __init__(self, command: str, returncode: int, stderr: str) -> None:
        super().__init__(f"{command} ended with {returncode}: {stderr.strip()}")
        self.returncode = returncode
        self.stderr = stderr
