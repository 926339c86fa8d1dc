"""Finds the API server: by KUBECONFIG or ~/.kube/config, as kubectl does, else by the Pod's service account."""

import os
from pathlib import Path
from typing import Final

from kubernetes.aio import config
from kubernetes.aio.client import Configuration

from imagecopy.kube import kubeconfig

MAX_CONNECTIONS = 32
"""Connections to the API server, besides those of the watches."""

_DEFAULT: Final = Path("~/.kube/config").expanduser()


class NoCluster(Exception):
    """No cluster can be reached; the message says what was tried and what to do."""


async def load() -> Configuration:
    """Return how to reach the API server.

    Raises:
        NoCluster: there is neither a usable kubeconfig nor a service account.
    """
    configuration = Configuration()
    named = os.environ.get("KUBECONFIG")
    try:
        if named:
            await kubeconfig.load(named, "KUBECONFIG", configuration)
        elif "KUBERNETES_SERVICE_HOST" in os.environ:
            config.load_incluster_config(client_configuration=configuration)
        elif _DEFAULT.exists():
            await kubeconfig.load(str(_DEFAULT), None, configuration)
        else:
            raise NoCluster(f"no cluster: KUBECONFIG is not set, {_DEFAULT} does not exist, and this is not a Pod")
    except kubeconfig.UnusableKubeconfig as exc:
        raise NoCluster(f"no cluster: {exc}") from exc
    except (config.ConfigException, OSError, ValueError) as exc:
        raise NoCluster(f"no cluster: the service account can't be used: {exc}") from exc
    configuration.connection_pool_maxsize = MAX_CONNECTIONS
    # HTTPS_PROXY is for the cloud. aiohttp would take it for the API server, too, and knows no networks in NO_PROXY,
    # which is how a cluster's own addresses are written there. A kubeconfig's proxy-url counts.
    configuration.client_session_kwargs = {"trust_env": False}
    return configuration
