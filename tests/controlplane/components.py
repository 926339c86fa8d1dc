"""Command lines and configuration files of etcd, kube-apiserver and kube-controller-manager."""

import random
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import yaml

from controlplane import audit
from controlplane.binaries import Binaries
from controlplane.pki import Pki

HOST: Final = "127.0.0.1"
# Below the ports that Linux and macOS use for outgoing connections. Otherwise a client that keeps calling a stopped
# API server could get the very port that it calls, connect to itself, and occupy the port.
_PORTS: Final = range(20000, 32768)
_AUDIT_MEGABYTES: Final = 10_000
_CONTROLLERS: Final = (
    "namespace-controller",
    "garbage-collector-controller",
    "serviceaccount-controller",
    "deployment-controller",
    "replicaset-controller",
)


_returned: set[int] = set()


def free_ports(count: int) -> list[int]:
    """Return different ports of 127.0.0.1 on which nothing listens at the moment.

    None of them was returned to this process before, because whoever got it may listen on it later.
    """
    chosen: list[int] = []
    # The system's generator: two processes with the same seed must not choose the same ports.
    for port in random.SystemRandom().sample(_PORTS, len(_PORTS)):
        if port in _returned:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
        chosen.append(port)
        if len(chosen) == count:
            _returned.update(chosen)
            return chosen
    raise OSError(f"no free port on {HOST} between {_PORTS.start} and {_PORTS.stop}")


@dataclass(frozen=True)
class Layout:
    """The files of one control plane in its folder."""

    folder: Path
    logs: Path
    pki: Pki
    admin_token: str
    manager_token: str

    @classmethod
    def create(cls, folder: Path, logs: Path) -> Self:
        """Write keys, tokens and the audit policy into the folder."""
        logs.mkdir(parents=True, exist_ok=True)
        layout = cls(folder, logs, Pki.create(folder), secrets.token_hex(16), secrets.token_hex(16))
        layout.audit_policy.write_text(yaml.safe_dump(audit.POLICY))
        layout.tokens.touch(mode=0o600)
        # The controllers have a user of their own, so that their writes differ from those of tests in the audit log.
        layout.tokens.write_text(
            f'{layout.admin_token},admin,admin,"system:masters"\n'
            f'{layout.manager_token},system:kube-controller-manager,kcm,"system:masters"\n'
        )
        return layout

    @property
    def audit_log(self) -> Path:
        """The audit log: lines of JSON."""
        return self.logs / "audit.jsonl"

    @property
    def audit_policy(self) -> Path:
        """The audit policy: which requests are logged."""
        return self.folder / "audit-policy.yaml"

    @property
    def tokens(self) -> Path:
        """Static tokens and their users."""
        return self.folder / "tokens.csv"

    def write_kubeconfig(self, name: str, url: str, token: str) -> Path:
        """Write a kubeconfig that only this user may read."""
        cluster = {"server": url, "certificate-authority": str(self.pki.ca)}
        context = {"cluster": "test", "user": "test", "namespace": "default"}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": "test", "user": {"token": token}}],
            "contexts": [{"name": "test", "context": context}],
            "current-context": "test",
        }
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_text(yaml.safe_dump(config))
        return path


def etcd_command(binaries: Binaries, layout: Layout, client_port: int, peer_port: int) -> list[str | Path]:
    """Return the command of a single etcd that does not sync to disk, as its data ends with the control plane."""
    return [
        binaries.etcd,
        f"--data-dir={layout.folder / 'etcd'}",
        f"--listen-client-urls=http://{HOST}:{client_port}",
        f"--advertise-client-urls=http://{HOST}:{client_port}",
        f"--listen-peer-urls=http://{HOST}:{peer_port}",
        "--unsafe-no-fsync",
    ]


def apiserver_command(
    binaries: Binaries, layout: Layout, port: int, etcd_port: int, *, service_accounts: bool
) -> list[str | Path]:
    """Return the command of an API server with RBAC, its own certificate authority and an audit log.

    `service_accounts` says whether a controller creates the default service accounts, which the admission of Pods
    requires.
    """
    pki = layout.pki
    command: list[str | Path] = [
        binaries.kube_apiserver,
        f"--etcd-servers=http://{HOST}:{etcd_port}",
        f"--bind-address={HOST}",
        f"--secure-port={port}",
        # Without it, an API server looks for the address of the default route, and ends where there is none. Nothing
        # here uses the endpoints of the Service `kubernetes`, which may not be loopback ones.
        f"--advertise-address={HOST}",
        "--endpoint-reconciler-type=none",
        f"--cert-dir={layout.folder}",
        f"--tls-cert-file={pki.serving_certificate}",
        f"--tls-private-key-file={pki.serving_key}",
        f"--token-auth-file={layout.tokens}",
        "--authorization-mode=RBAC",
        "--allow-privileged",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={pki.service_account_public}",
        f"--service-account-signing-key-file={pki.service_account_key}",
        f"--audit-policy-file={layout.audit_policy}",
        f"--audit-log-path={layout.audit_log}",
        f"--audit-log-maxsize={_AUDIT_MEGABYTES}",
        "--profiling=false",
    ]
    if not service_accounts:
        command.append("--disable-admission-plugins=ServiceAccount")
    return command


def manager_command(program: Path, kubeconfig: Path, layout: Layout) -> list[str | Path]:
    """Return the command of the controllers that tests rely on."""
    return [
        program,
        f"--kubeconfig={kubeconfig}",
        f"--controllers={','.join(_CONTROLLERS)}",
        "--leader-elect=false",
        f"--root-ca-file={layout.pki.ca}",
        # It needs no port: the service accounts that it creates show that it works.
        "--secure-port=0",
    ]
