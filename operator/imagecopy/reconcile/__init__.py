"""One tick of one ImageCopy: where the state machine, the cloud and Kubernetes meet. Nowhere else do they."""

from imagecopy.reconcile.census import Census
from imagecopy.reconcile.cloud import Cloud
from imagecopy.reconcile.farewell import farewell
from imagecopy.reconcile.lookout import keep_lookout
from imagecopy.reconcile.memory import Memory
from imagecopy.reconcile.provider_status import ProviderStatuses
from imagecopy.reconcile.providers import Providers
from imagecopy.reconcile.scheduler import Scheduler
from imagecopy.reconcile.sweep import Sweeper
from imagecopy.reconcile.tick import Reconciler

__all__ = [
    "Census",
    "Cloud",
    "Memory",
    "ProviderStatuses",
    "Providers",
    "Reconciler",
    "Scheduler",
    "Sweeper",
    "farewell",
    "keep_lookout",
]
