"""Kubeconfig files, read as kubectl reads them, with a message for each way in which one can't be used.

The client library joins several files, too. But it takes the last current-context where kubectl takes the first, and it
does not check what a file holds.
"""

import os
from pathlib import Path
from typing import Any

import yaml
from kubernetes.aio import config
from kubernetes.aio.client import Configuration

_MALFORMED = (config.ConfigException, OSError, ValueError, TypeError, AttributeError, LookupError)
"""What the client library raises at a file of another shape than it expects."""


class UnusableKubeconfig(Exception):
    """No cluster is known from the files; the message names the file, and what is wrong with it."""


async def load(named: str, source: str | None, configuration: Configuration) -> None:
    """Put into ``configuration`` what the files say that ``named`` lists, separated as in PATH.

    Files that are missing or empty are skipped, as long as another one is left. ``source`` is the variable that
    names them, None where it is kubectl's own place.

    Raises:
        UnusableKubeconfig: they lead to no cluster.
    """
    used = _used(named, source)
    context = next(filter(None, (content.get("current-context") for content in used.values())), None)
    if context is None:
        choose = "choose one with: kubectl config use-context NAME"
        raise UnusableKubeconfig(f"no current context is set in {', '.join(map(str, used))}: {choose}")
    try:
        await config.load_kube_config(
            config_file=os.pathsep.join(map(str, used)),
            context=context,
            client_configuration=configuration,
            persist_config=False,
        )
    except _MALFORMED as exc:
        raise UnusableKubeconfig(f"{', '.join(map(str, used))} can't be used: {exc}") from exc


def _used(named: str, source: str | None) -> dict[Path, dict[str, Any]]:
    """Return the files that hold something; there is at least one."""
    paths = [Path(os.path.expanduser(part)) for part in named.split(os.pathsep) if part]
    found = {path: content for path in paths if (content := _read(path, source)) is not None}
    if used := {path: content for path, content in found.items() if content}:
        return used
    if found:
        raise UnusableKubeconfig(f"{_shown(next(iter(found)), source)} is empty")
    if len(paths) == 1:
        raise UnusableKubeconfig(f"{_shown(paths[0], source)} does not exist")
    raise UnusableKubeconfig(f"none of the files named by {source}, {named}, exists")


def _read(path: Path, source: str | None) -> dict[str, Any] | None:
    """Return what a file holds, or None if there is none."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as exc:
        raise UnusableKubeconfig(f"{_shown(path, source)} can't be read: {exc.strerror}") from exc
    except (yaml.YAMLError, UnicodeDecodeError) as exc:
        raise UnusableKubeconfig(f"{_shown(path, source)} is not YAML: {' '.join(str(exc).split())}") from exc
    if content is not None and not isinstance(content, dict):
        raise UnusableKubeconfig(f"{_shown(path, source)} is not a kubeconfig: it has no keys such as current-context")
    return content or {}


def _shown(path: Path, source: str | None) -> str:
    return f"the file named by {source}, {path}," if source else f"the file {path}"
