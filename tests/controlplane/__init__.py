"""A real Kubernetes control plane without containers, for the tests and the demo.

    from controlplane import ControlPlane, find_binaries, versions

    with ControlPlane(find_binaries(versions.ALL), controller_manager=True) as plane:
        plane.create_namespace("team-a")
        plane.kubectl("get", "imagecopies", "-n", "team-a")

`binaries` gets the programs, `plane` runs them, `errors` has the exceptions.
"""

from controlplane import versions
from controlplane.audit import AuditEvent
from controlplane.binaries import Binaries, find_binaries
from controlplane.errors import ControlPlaneError, KubectlError, StartError
from controlplane.plane import ControlPlane

__all__ = [
    "AuditEvent",
    "Binaries",
    "ControlPlane",
    "ControlPlaneError",
    "KubectlError",
    "StartError",
    "find_binaries",
    "versions",
]
