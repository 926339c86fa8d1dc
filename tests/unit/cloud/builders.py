"""A client and a provider that answer as a test says."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from imagecopy import ims
from imagecopy.api.imagecopy import ProviderRef
from imagecopy.flow.marker import Marker, token_of
from imagecopy.flow.observation import (
    Trouble,
)
from imagecopy.providers.limiter import CallLimiter
from imagecopy.providers.objects import Unusable
from imagecopy.providers.registry import Access
from unit.flow.builders import (
    JOB,
    OWNER,
    SOURCE,
    TARGET,
    UID,
)


class FakeClient(ims.ImsClient):
    """Answers with what a test put there; ``calls`` is what was asked."""

    def __init__(self) -> None:
        self.project = "project-1"
        self.calls: list[tuple[object, ...]] = []
        self.images: list[ims.Image] = []
        self.job: ims.Job | ims.ImsError = ims.Job(state=ims.JobState.RUNNING, progress=0.5)
        self.source: ims.Image | ims.ImsError = an_image(id=SOURCE, description="")
        self.copied: ims.CopyAccepted | ims.ImsError = ims.CopyAccepted(JOB, "r-1")
        self.tag_error: ims.ImsError | None = None
        self.quota: ims.Quota | ims.ImsError = ims.Quota(used=50, limit=50)
        self.deleted: ims.ImsError | None = None

    async def project_id(self) -> str:
        return self.project

    def _answer(self, answer: Any, *call: object) -> Any:
        self.calls.append(call)
        if isinstance(answer, ims.ImsError):
            raise answer
        return answer

    async def copy_image(self, source_image_id: str, request: ims.CopyRequest) -> Any:
        return self._answer(self.copied, "copy", source_image_id, request.body())

    async def get_job(self, job_id: str) -> Any:
        return self._answer(self.job, "job", job_id)

    async def get_image(self, image_id: str) -> Any:
        return self._answer(self.source, "image", image_id)

    async def list_images(self, **query: Any) -> Any:
        return self._answer(self.images, "images", query)

    async def add_tags(self, image_id: str, tags: Any) -> Any:
        return self._answer(self.tag_error, "add tags", image_id, tags)

    async def delete_tags(self, image_id: str, tags: Any) -> Any:
        return self._answer(None, "delete tags", image_id, tags)

    async def get_quota(self) -> Any:
        return self._answer(self.quota, "quota")

    async def delete_image(self, image_id: str) -> Any:
        return self._answer(self.deleted, "delete", image_id)


class Lender:
    """Lends the client, or says why not."""

    def __init__(self, client: FakeClient) -> None:
        self._client = client
        self.trouble: Trouble | None = None

    @asynccontextmanager
    async def access(self, namespace: str, ref: ProviderRef) -> AsyncIterator[Access]:
        if self.trouble:
            raise Unusable(self.trouble)
        yield Access(self._client, CallLimiter(time.monotonic, 1000.0), 5)


def an_image(**fields: Any) -> ims.Image:
    told = {
        "id": TARGET,
        "status": "active",
        "description": f"Golden {Marker(OWNER, token_of(UID, 1))}",
        "original_image_id": SOURCE,
        "tags": {},
    }
    return ims.Image(**(told | fields))
