"""Keys for workloads that have no secret of their own: the node's metadata service, and Pod Identity of CCE.

Sources: huaweicloudsdkcore 3.1, auth/internal.py (the calls, the header of the metadata token, "Please configure
Cloud Service Agency first") and its provider of Pod Identity; "CCE user guide, Pod Identity". The keys are valid in the
account of the logins, in every project.
"""

from __future__ import annotations

import hashlib
import hmac

from ims_simulator.gateway.authentication import record_caller
from ims_simulator.gateway.context import Context
from ims_simulator.gateway.principals import principal_of, service_agency
from ims_simulator.iam.temporary_keys import issue_credential, issue_pod_credentials
from ims_simulator.replies.errors import KeystoneError, Reply
from ims_simulator.state.cloud import Cloud
from ims_simulator.state.records import Holder

METADATA_TOKEN_PATH = "/meta-data/latest/api/token"  # noqa: S105
METADATA_KEY_PATH = "/openstack/latest/securitykey"
POD_IDENTITY_PATH = "/v1/pod-identity/credentials"
KEY_SECONDS = 6 * 3600
LONGEST_TOKEN_SECONDS = 21600


def create_metadata_token(context: Context) -> Reply:
    """PUT for a token of the metadata service. Raises: KeystoneError."""
    status = context.cloud.knobs.metadata_token_status
    if status != 200:
        return Reply(status, text="", content_type="text/plain")
    seconds = context.headers.get("X-Metadata-Token-Ttl-Seconds", "")
    if not seconds.isdecimal() or not 1 <= int(seconds) <= LONGEST_TOKEN_SECONDS:
        raise KeystoneError(400, f"X-Metadata-Token-Ttl-Seconds must be from 1 to {LONGEST_TOKEN_SECONDS}.")
    until = str(int(context.now) + int(seconds))
    return Reply(200, text=f"{until}.{_sign(context, until)}", content_type="text/plain")


def show_node_key(context: Context) -> Reply:
    """GET a key of the node's agency. Raises: KeystoneError."""
    token = context.headers.get("X-Metadata-Token")
    if token is None and context.cloud.knobs.metadata_token_required:
        raise KeystoneError(401, "X-Metadata-Token is missing.")
    until, _, signature = (token or "").partition(".")
    valid = until.isdecimal() and hmac.compare_digest(signature.encode(), _sign(context, until).encode())
    if token is not None and not (valid and context.now < int(until)):
        raise KeystoneError(401, "X-Metadata-Token is not valid.")
    if not context.cloud.knobs.node_agency:
        raise KeystoneError(401, "Please configure Cloud Service Agency first")
    return Reply(200, {"credential": issue_credential(context, _service(context, "ecs"), KEY_SECONDS)})


def show_pod_key(context: Context) -> Reply:
    """POST for a key of a Pod; the header Authorization is the content of its token file. Raises: KeystoneError."""
    expected = pod_identity_token(context.cloud)
    if not hmac.compare_digest(context.headers.get("Authorization", "").encode(), expected.encode()):
        raise KeystoneError(401, "The Pod's token is not valid.")
    holder = _service(context, "cce")
    return Reply(
        200,
        {
            "credentials": issue_pod_credentials(context, holder, KEY_SECONDS),
            "assumedAgency": {"urn": f"iam::{holder.domain_id}:agency:{holder.agency}"},
            "audience": "pods.cce.myhuaweicloud.com",
            "subject": {"namespace": "imagecopy-system", "serviceAccount": "imagecopy-operator"},
        },
    )


def pod_identity_token(cloud: Cloud) -> str:
    """The content of a Pod's token file: the knob, or the token that follows from the seed."""
    return cloud.knobs.pod_identity_token or cloud.accounts.pod_identity_token


def _service(context: Context, service: str) -> Holder:
    agency = service_agency(context.cloud, service)
    holder = Holder(user=service, domain_id=agency.domain_id, project_id=None, method="assume_role", agency=agency.name)
    principal = principal_of(context.cloud, holder)
    if principal is not None:
        record_caller(context.call, principal, "assume_role")
    return holder


def _sign(context: Context, until: str) -> str:
    return hmac.new(context.cloud.ids.salt.encode(), until.encode(), hashlib.sha256).hexdigest()
