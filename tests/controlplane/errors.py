"""Errors of the test control plane.

ControlPlaneError
├── BinariesError       the programs can't be obtained; the message lists every source that was tried
│   ├── AssetsError     KUBEBUILDER_ASSETS is set, but lacks a program
│   ├── DownloadError   no answer, an HTTP error or a broken archive: the next source may still work
│   │   └── HashMismatchError   the file differs from the released one, and was deleted
│   └── BuildError      no Go available, or the compiler failed
├── StartError          a component did not become ready; the message ends with the last lines of its log
└── KubectlError        kubectl ended with an exit code other than 0; the message ends with its stderr
"""


class ControlPlaneError(RuntimeError):
    """Root of the tree."""


class BinariesError(ControlPlaneError):
    """The programs can't be obtained."""


class AssetsError(BinariesError):
    """KUBEBUILDER_ASSETS lacks a program. No other source is tried, because the user chose this one."""


class DownloadError(BinariesError):
    """A release can't be downloaded. The next source may still work."""


class HashMismatchError(DownloadError):
    """A download differs from the released file, and was deleted."""


class BuildError(BinariesError):
    """A build from source failed."""


class StartError(ControlPlaneError):
    """A component ended early, or was not ready in time."""


class KubectlError(ControlPlaneError):
    """Kubectl failed."""

    def __init__(self, command: str, returncode: int, stderr: str) -> None:
        super().__init__(f"{command} ended with {returncode}: {stderr.strip()}")
        self.returncode = returncode
        self.stderr = stderr
