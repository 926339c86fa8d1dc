"""The cloud's Image Management Service (IMS) and its login, over HTTP. Knows nothing of Kubernetes.

Start reading at :class:`ImsClient`; :mod:`imagecopy.ims.errors` draws what can go wrong.
"""

from imagecopy.ims.addresses import AddressRules, Network, parse_networks
from imagecopy.ims.auth import Clock, ImsAuth, PasswordTokenAuth
from imagecopy.ims.classify import Call, class_of_code, classify
from imagecopy.ims.client import ImsClient
from imagecopy.ims.endpoints import (
    DEFAULT_ALLOWLIST,
    KNOWN_CLOUDS,
    Allowlist,
    Endpoints,
    cloud_endpoints,
)
from imagecopy.ims.errors import (
    CredentialsInvalid,
    EndpointNotAllowed,
    ImsError,
    JobNotFound,
    Misconfigured,
    NotFound,
    NotReady,
    OutcomeUnknown,
    PermissionDenied,
    QuotaExceeded,
    Refused,
    SurelyNotDone,
    Throttled,
    TryLater,
    Unreachable,
)
from imagecopy.ims.login import PasswordCredentials, Session, TokenSession
from imagecopy.ims.models import CopyAccepted, CopyRequest, Image, Job, JobState, Quota
from imagecopy.ims.proxies import BadProxy, Proxies
from imagecopy.ims.wire import CallRecord, OnCall, Timeouts, Wire, ssl_context

__all__ = [
    "DEFAULT_ALLOWLIST",
    "KNOWN_CLOUDS",
    "AddressRules",
    "Allowlist",
    "BadProxy",
    "Call",
    "CallRecord",
    "Clock",
    "CopyAccepted",
    "CopyRequest",
    "CredentialsInvalid",
    "EndpointNotAllowed",
    "Endpoints",
    "Image",
    "ImsAuth",
    "ImsClient",
    "ImsError",
    "Job",
    "JobNotFound",
    "JobState",
    "Misconfigured",
    "Network",
    "NotFound",
    "NotReady",
    "OnCall",
    "OutcomeUnknown",
    "PasswordCredentials",
    "PasswordTokenAuth",
    "PermissionDenied",
    "Proxies",
    "Quota",
    "QuotaExceeded",
    "Refused",
    "Session",
    "SurelyNotDone",
    "Throttled",
    "Timeouts",
    "TokenSession",
    "TryLater",
    "Unreachable",
    "Wire",
    "class_of_code",
    "classify",
    "cloud_endpoints",
    "parse_networks",
    "ssl_context",
]
