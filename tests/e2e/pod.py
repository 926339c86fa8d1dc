"""A Pod as a process: its command sees the files, environment variables and host names of its manifest."""

import functools
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from e2e.objects import Api
from support.objects import Manifest
from support.processes import HOST

_ROOT: Final = Path(__file__).parents[2]
_PROGRAMS: Final = Path(sys.executable).parent
_ACCOUNT: Final = "/var/run/secrets/kubernetes.io/serviceaccount"
_REFERENCE: Final = re.compile(r"\$\(([A-Za-z_][A-Za-z0-9_]*)\)")
_NAMES: Final = Path(__file__).with_name("names")


@dataclass(frozen=True)
class Box:
    """The way to give a process file systems of its own: the command `unshare`, or none."""

    unshare: tuple[str, ...]

    def __str__(self) -> str:
        return "mounted" if self.unshare else "plain"

    @property
    def about(self) -> str:
        """A description for people."""
        how = f"by {' '.join(self.unshare)}" if self.unshare else "with a kubeconfig instead of a mounted token"
        return f"Pods are run {how}"

    def command(self, command: list[str], mounts: dict[str, Path], *, read_only: bool) -> list[str]:
        """Return a command that runs another one with these folders and files mounted."""
        lines = ["set -e", "mount -t tmpfs tmpfs /run", "mkdir /run/host", "mount --rbind / /run/host"]
        # Mounts below /run come first, and /tmp last, because it may hide the clone that the programs are in.
        for target, source in sorted(mounts.items(), key=lambda mount: mount[0] == "/tmp"):
            place, held = shlex.quote(target), shlex.quote(f"/run/host{source.resolve()}")
            make = f"mkdir -p {place}" if source.is_dir() else f"test -e {place}"
            lines += [make, f"mount --bind {held} {place}"]
        # The clone comes before the Python environment in it, whose mount point would otherwise count as the clone.
        for needed in sorted({_ROOT.resolve(), Path(sys.prefix).resolve(), Path(sys.base_prefix).resolve()}):
            place = shlex.quote(str(needed))
            lines.append(f"test -e {place} || {{ mkdir -p {place}; mount --rbind /run/host{place} {place}; }}")
        if read_only:
            lines.append("mount -o remount,bind,ro / || echo 'the root file system stays writable here' >&2")
        return [*self.unshare, "sh", "-c", "\n".join([*lines, 'exec "$@"']), "sh", *command]


@functools.cache
def boxes() -> tuple[Box, ...]:
    """Return the ways to run a Pod on this machine: plain, and with mounts if this user may create mount namespaces."""
    script = "mount -t tmpfs tmpfs /run && mkdir /run/host && mount --rbind / /run/host"
    plain = Box(())
    for way in (("unshare", "--mount"), ("unshare", "--map-root-user", "--mount")):
        if shutil.which("unshare") and not subprocess.run([*way, "sh", "-c", script], capture_output=True).returncode:
            return plain, Box(way)
    return (plain,)


class Pod:
    """A Pod with one container."""

    def __init__(self, api: Api, body: Manifest, folder: Path) -> None:
        self._api, self._spec, self._meta = api, body["spec"], body["metadata"]
        self.name, self.uid, self.namespace = (str(self._meta[key]) for key in ("name", "uid", "namespace"))
        self.path = f"/api/v1/namespaces/{self.namespace}/pods/{self.name}"
        (self.container,) = self._spec["containers"]
        self.log = folder / f"pod-{self.name}-{self.uid[:5]}.log"
        self.log.touch()
        self._folder = folder / self.uid
        self.grace_seconds = float(self._spec.get("terminationGracePeriodSeconds", 30))

    @property
    def readiness(self) -> tuple[int, str] | None:
        """Port and path of the readiness probe; None if there is none."""
        return self.probe("readinessProbe")

    def probe(self, name: str) -> tuple[int, str] | None:
        """Return port and path of a probe; None if there is none."""
        probe = self.container.get(name)
        if probe is None:
            return None
        asked = probe["httpGet"]
        ports = {port["name"]: int(port["containerPort"]) for port in self.container["ports"]}
        return ports.get(asked["port"]) or int(asked["port"]), asked["path"]

    def is_restarted(self, code: int) -> bool:
        """Tell whether the restart policy restarts it after this exit code."""
        policy = self._spec["restartPolicy"]
        return policy == "Always" or (policy == "OnFailure" and code != 0)

    def command(self, box: Box) -> tuple[list[str], dict[str, str]]:
        """Create all files; return command and environment."""
        environment = self._environment()
        written = [*self.container.get("command", ()), *self.container.get("args", ())]
        command = [_expand(word, environment) for word in written]
        mounts = self._mounts()
        if box.unshare:
            read_only = bool(self.container.get("securityContext", {}).get("readOnlyRootFilesystem"))
            return box.command(command, mounts, read_only=read_only), environment
        # PATH is of this machine, and may lead into a clone below /tmp.
        environment = {name: value if name == "PATH" else _moved(value, mounts) for name, value in environment.items()}
        if _ACCOUNT in mounts:
            environment["KUBECONFIG"] = str(self._kubeconfig(mounts[_ACCOUNT]))
        if "/tmp" in mounts:
            environment["TMPDIR"] = str(mounts["/tmp"])
        names = {"PYTHONPATH": str(_NAMES), "E2E_NAMES": ",".join(self._hosts())}
        return [_moved(word, mounts) for word in command], environment | names

    def _environment(self) -> dict[str, str]:
        url = self._api.plane.url
        found = {
            "PATH": f"{_PROGRAMS}:/usr/bin:/bin",
            "HOSTNAME": self.name,
            "KUBERNETES_SERVICE_HOST": HOST,
            "KUBERNETES_SERVICE_PORT": url.rpartition(":")[2],
        }
        for source in self.container.get("envFrom", ()):
            (reference,) = (source[kind] for kind in ("configMapRef", "secretRef") if kind in source)
            assert reference.get("optional"), "only references that may be missing are emulated"
        for entry in self.container.get("env", ()):
            field = entry.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath")
            fields = {"metadata.namespace": self.namespace, "metadata.name": self.name}
            found[entry["name"]] = fields[field] if field else _expand(entry.get("value", ""), found)
        return found

    def _mounts(self) -> dict[str, Path]:
        volumes = {volume["name"]: volume for volume in self._spec.get("volumes", ())}
        found = {
            mount["mountPath"]: self._volume(volumes[mount["name"]]) for mount in self.container.get("volumeMounts", ())
        }
        hosts = self._folder / "hosts"
        hosts.parent.mkdir(parents=True, exist_ok=True)
        hosts.write_text("".join(f"{HOST} {name}\n" for name in ("localhost", *self._hosts())))
        return found | {"/etc/hosts": hosts}

    def _hosts(self) -> list[str]:
        """Return the host names of the namespace's Services. The port of a Service must be that of its Pods."""
        services = self._api.get(f"/api/v1/namespaces/{self.namespace}/services")["items"]
        return [f"{service['metadata']['name']}.{self.namespace}.svc" for service in services]

    def _volume(self, volume: Manifest) -> Path:
        folder: Path = self._folder / volume["name"]
        folder.mkdir(parents=True)
        if "emptyDir" in volume:
            return folder
        for source in volume["projected"]["sources"]:
            if "serviceAccountToken" in source:
                token = source["serviceAccountToken"]
                (folder / token["path"]).write_text(self._token(token))
            elif "configMap" in source:
                assert source["configMap"]["name"] == "kube-root-ca.crt", source
                shutil.copy(self._api.plane.ca, folder / "ca.crt")
            else:
                assert source["downwardAPI"]["items"][0]["fieldRef"]["fieldPath"] == "metadata.namespace", source
                (folder / "namespace").write_text(self.namespace)
        return folder

    def _token(self, wanted: Manifest) -> str:
        """Request a token that is bound to the Pod, as a kubelet does."""
        bound = {"kind": "Pod", "apiVersion": "v1", "name": self.name, "uid": self.uid}
        spec = {
            "audiences": [wanted["audience"]] if wanted.get("audience") else [],
            "expirationSeconds": wanted["expirationSeconds"],
            "boundObjectRef": bound,
        }
        path = f"/api/v1/namespaces/{self.namespace}/serviceaccounts/{self._spec['serviceAccountName']}/token"
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        reply = self._api.http.post(path, json=request)
        assert reply.is_success, reply.text
        return str(reply.json()["status"]["token"])

    def _kubeconfig(self, account: Path) -> Path:
        plane = self._api.plane
        path = self._folder / "kubeconfig"
        options = [f"--kubeconfig={path}", "config"]
        for words in (
            ["set-cluster", "c", f"--server={plane.url}", f"--certificate-authority={account / 'ca.crt'}"],
            ["set", "users.u.tokenFile", str(account / "token")],
            ["set-context", "x", "--cluster=c", "--user=u"],
            ["use-context", "x"],
        ):
            subprocess.run([plane.binaries.kubectl, *options, *words], check=True, capture_output=True)
        return path


def _moved(text: str, mounts: dict[str, Path]) -> str:
    """Return ``text`` with the places of volumes that are not mounted in the place of those that they should have."""
    for target, source in mounts.items():
        text = re.sub(rf"(?<![\w./-]){re.escape(target)}(?=/|$)", str(source).replace("\\", "\\\\"), text)
    return text


def _expand(text: str, environment: dict[str, str]) -> str:
    return _REFERENCE.sub(lambda found: environment.get(found[1], found[0]), text)
