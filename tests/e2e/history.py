"""Every version of the ImageCopies of a namespace, recorded from a watch."""

import json
import threading
from itertools import groupby
from typing import Final

import httpx

from e2e.objects import Api, Copy
from support.objects import Manifest, collection
from support.waiting import wait_for

_LAST: Final = "the-end"


class Histories:
    """Records each version of all ImageCopies of a namespace, from now on. A deletion records the last version."""

    def __init__(self, api: Api, namespace: str) -> None:
        self._api, self._path = api, collection(namespace, "imagecopies")
        self._end = Copy(api, namespace, _LAST)
        self._versions: list[Manifest] = []
        self._problem: str | None = None
        self._ended = threading.Event()
        begin = api.get(self._path)["metadata"]["resourceVersion"]
        # A daemon thread: after a failed test it ends only with the API server.
        threading.Thread(target=self._record, args=(begin,), daemon=True).start()

    def close(self, last: Manifest) -> dict[str, list[Manifest]]:
        """Return the versions of each object, oldest first. `last` is an ImageCopy, created to end the recording."""
        self._api.create(self._path, last | {"metadata": {"name": _LAST}})
        wait_for(self._ended.is_set, "the end of the recording")
        assert self._problem is None, self._problem
        by_name = sorted(self._versions, key=lambda version: str(version["metadata"]["name"]))
        return {
            name: list(versions) for name, versions in groupby(by_name, lambda version: version["metadata"]["name"])
        }

    def _record(self, begin: str) -> None:
        query = {"watch": "1", "resourceVersion": begin, "timeoutSeconds": "600"}
        try:
            with self._api.http.stream("GET", self._path, params=query, timeout=httpx.Timeout(30, read=None)) as reply:
                for line in reply.iter_lines():
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        self._problem = line
                        break
                    if event["object"]["metadata"]["name"] == _LAST:
                        break
                    self._versions.append(event["object"])
                else:
                    self._problem = "the watch ended"
        except httpx.HTTPError as exc:
            self._problem = f"the watch broke: {exc!r}"
        self._ended.set()
