"""The calls of the Image Management Service that a copy needs.

Each method makes one request (two after a 401, more for a list with several pages). Nothing is retried, because the
caller tries again by itself. Only :meth:`ImsClient.copy_image` must never be repeated.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Self, TypeVar
from urllib.parse import quote

import httpx

from imagecopy.ims.auth import ImsAuth, Session
from imagecopy.ims.classify import Call, classify, is_api_missing
from imagecopy.ims.errors import Misconfigured, OutcomeUnknown, Refused, SurelyNotDone
from imagecopy.ims.lenient import as_dict, as_list, as_str
from imagecopy.ims.models import CopyAccepted, CopyRequest, Image, Job, Malformed, Quota
from imagecopy.ims.wire import Wire, exchange, json_of, recorded, request_id, unusable

PAGE_SIZE = 200
"""The number of images in one page of a list."""
_MAX_PAGES = 125
_NO_TIME = datetime.min.replace(tzinfo=UTC)

_T = TypeVar("_T")


class ImsClient:
    """IMS for one provider: one project of one cloud, under one login.

    Every method may raise any :class:`imagecopy.ims.ImsError`; see
    :mod:`imagecopy.ims.errors`. Methods document only the errors that are special to them.
    """

    def __init__(
        self,
        auth: ImsAuth,
        wire: Wire,
        *,
        ims_endpoint: str | None = None,
        project_id: str | None = None,
        max_connections: int = 10,
    ) -> None:
        """Prepare; nothing is sent before the first call.

        Without ``ims_endpoint``, the endpoint comes from the login's catalogue. ``project_id`` is only checked: it
        must be the login's.

        Raises:
            EndpointNotAllowed: the allowlist forbids ``ims_endpoint``.
            Misconfigured: the CA bundle is no good.
        """
        self._auth = auth
        self._wire = wire
        self._endpoint = (
            wire.allowlist.endpoint(ims_endpoint, "the provider's spec.endpoints.ims") if ims_endpoint else None
        )
        self._project_id = project_id
        self._progress_url_first = False
        self._http = wire.client(max_connections=max_connections)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections. The client can't be used afterwards."""
        await self._http.aclose()

    async def project_id(self) -> str:
        """Return the id of the project that the login is for.

        Raises:
            Misconfigured: another project was named for this client.
        """
        return (await self.session()).project_id

    async def session(self) -> Session:
        """Return the session, which has the project and its endpoints. Logs in if that was not done yet.

        Raises:
            Misconfigured: another project was named for this client.
        """
        session = await self._auth.session()
        if self._project_id not in (None, session.project_id):
            raise Misconfigured(
                f"the login is for project {session.project_id}, but project {self._project_id} is wanted"
            )
        return session

    async def copy_image(self, source_image_id: str, request: CopyRequest) -> CopyAccepted:
        """Request a copy inside the region. NOT idempotent: two calls make two copies, even with the same name.

        It uses a new connection, because the server may be closing a kept one at this very moment. A request that is
        lost that way can't be told from one whose reply was lost.

        Source: OTC API reference, "Replicating an Image Within a Region".

        Raises:
            OutcomeUnknown: the cloud may be making a copy. Look for it; do not call again.
            SurelyNotDone: it is not.
        """
        response = await self._send(
            Call.COPY_IMAGE,
            "POST",
            f"/v1/cloudimages/{_segment(source_image_id)}/copy",
            body=request.body(),
            fresh_connection=True,
        )
        return _parsed(Call.COPY_IMAGE, response, lambda data: CopyAccepted.parse(data, request_id(response)))

    async def get_job(self, job_id: str) -> Job:
        """Return a job as it is now.

        There are two calls for it: ``/v1/<project>/jobs/<id>``, which every edition has but Huawei Cloud calls
        deprecated, and ``/v1/cloudimages/job/<id>``, which some editions lack. The second one is used where the
        first does not exist; the client remembers which one worked.

        Source: OTC API reference, "Querying an Asynchronous Job"; Huawei Cloud API reference, "Querying the
        Progress of an Asynchronous Job".

        Raises:
            JobNotFound: the cloud does not know the job, or no longer does.
            Misconfigured: the cloud has neither call.
        """
        paths = (
            f"/v1/{_segment(await self.project_id())}/jobs/{_segment(job_id)}",
            f"/v1/cloudimages/job/{_segment(job_id)}",
        )
        order = (1, 0) if self._progress_url_first else (0, 1)
        try:
            return await self._get_job(paths, order[0])
        except SurelyNotDone as exc:
            if not is_api_missing(exc):
                raise
            try:
                return await self._get_job(paths, order[1])
            except SurelyNotDone as second:
                # Of two refusals, the one that speaks of the job tells more than the one that knows no such URL.
                raise (exc if is_api_missing(second) else second) from None

    async def _get_job(self, paths: tuple[str, str], which: int) -> Job:
        response = await self._send(Call.GET_JOB, "GET", paths[which])
        job = _parsed(Call.GET_JOB, response, Job.parse)
        self._progress_url_first = which == 1
        return job

    async def get_image(self, image_id: str) -> Image:
        """Return an image. Source: OTC API reference, "Querying Image Details (Native OpenStack API)".

        Raises:
            NotFound: there is none, or it is not ours to see.
        """
        response = await self._send(Call.GET_IMAGE, "GET", f"/v2/images/{_segment(image_id)}")
        return _parsed(Call.GET_IMAGE, response, Image.parse)

    async def list_images(
        self,
        *,
        name: str | None = None,
        image_id: str | None = None,
        status: str | None = None,
        created_since: datetime | None = None,
        image_type: str | None = "private",
        enterprise_project_id: str | None = "all_granted_eps",
        turn: Callable[[], Awaitable[None]] | None = None,
    ) -> list[Image]:
        """Return all images that match, newest first. ``name`` is the exact name.

        The list is complete, or an error is raised: an incomplete one could hide the copy that is looked for.
        ``turn`` is awaited before each page but the first.
        ``enterprise_project_id`` is sent because users who are granted enterprise projects only are refused
        without it. Source: OTC API reference, "Querying Images"; Huawei Cloud API reference, "Listing Images".

        Raises:
            OutcomeUnknown: among other things, when there are more than 25 000 images or one of them is malformed.
        """
        params = {
            "name": name,
            "id": image_id,
            "status": status,
            "created_at": None if created_since is None else _since(created_since),
            "__imagetype": image_type,
            "enterprise_project_id": enterprise_project_id,
            "limit": str(PAGE_SIZE),
        }
        query = {key: value for key, value in params.items() if value is not None}
        found: dict[str, Image] = {}
        for page_number in range(_MAX_PAGES):
            if page_number and turn is not None:
                await turn()
            response = await self._send(Call.LIST_IMAGES, "GET", "/v2/cloudimages", params=query)
            page, marker = _parsed(Call.LIST_IMAGES, response, _page)
            news = [image for image in page if image.id not in found]
            found.update((image.id, image) for image in news)
            if marker is None or not news:
                wanted = [i for i in found.values() if name in (None, i.name) and image_id in (None, i.id)]
                return sorted(wanted, key=_age, reverse=True)
            query["marker"] = marker
        raise OutcomeUnknown(f"more than {_MAX_PAGES * PAGE_SIZE} images match; the list was given up")

    async def get_quota(self) -> Quota:
        """Return how many private images there are and how many there may be.

        Source: OTC API reference, "Querying the Image Quota".
        """
        response = await self._send(Call.GET_QUOTA, "GET", "/v1/cloudimages/quota")
        return _parsed(Call.GET_QUOTA, response, Quota.parse)

    async def add_tags(self, image_id: str, tags: Mapping[str, str]) -> None:
        """Set these tags and leave the others; idempotent.

        Source: OTC API reference, "Batch Adding or Deleting Image Tags".
        """
        await self._tags(Call.ADD_TAGS, "create", image_id, tags)

    async def delete_tags(self, image_id: str, tags: Mapping[str, str]) -> None:
        """Remove these tags; idempotent."""
        await self._tags(Call.DELETE_TAGS, "delete", image_id, tags)

    async def _tags(self, call: Call, action: str, image_id: str, tags: Mapping[str, str]) -> None:
        if not tags:
            return
        path = f"/v2/{_segment(await self.project_id())}/images/{_segment(image_id)}/tags/action"
        listed = [{"key": key, "value": value} for key, value in tags.items()]
        await self._send(call, "POST", path, body={"action": action, "tags": listed})

    async def delete_image(self, image_id: str) -> None:
        """Request the deletion of an image. The cloud accepts it before the image is gone: list it by id until it is.

        Source: OTC API reference, "Deleting an Image (Native OpenStack API)".

        Raises:
            NotFound: it is gone already.
            NotReady: it is still being made, or exported.
        """
        await self._send(Call.DELETE_IMAGE, "DELETE", f"/v2/images/{_segment(image_id)}")

    async def _send(
        self,
        call: Call,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, object] | None = None,
        fresh_connection: bool = False,
    ) -> httpx.Response:
        """Return the successful reply of one request.

        The login comes first, so that its errors can't be mistaken for errors of the request.
        """
        base = await self._base()
        request = self._http.build_request(method, base + path, params=params, json=body)
        timeouts = self._wire.timeouts
        with recorded(call, method, path, self._wire.on_call) as recording:
            if fresh_connection:
                async with self._wire.one_shot_client() as http:
                    response = await exchange(http, request, timeouts=timeouts, auth=self._auth)
            else:
                response = await exchange(self._http, request, timeouts=timeouts, auth=self._auth)
            recording.response = response
            if not response.is_success:
                raise classify(call, response.status_code, response.headers, response.content)
        return response

    async def _base(self) -> str:
        session = await self.session()
        if self._endpoint is not None:
            return self._endpoint
        if session.ims_endpoint is None:
            raise Misconfigured(
                "the login names no image service, so the provider has to: write its URL into spec.endpoints.ims"
            )
        return self._wire.allowlist.endpoint(session.ims_endpoint, "the image service in the login's catalogue")


def _parsed(call: Call, response: httpx.Response, parse: Callable[[object], _T]) -> _T:
    try:
        return parse(json_of(call, response))
    except Malformed as exc:
        raise unusable(call, response, str(exc)) from None


def _page(data: object) -> tuple[Iterable[Image], str | None]:
    """Return the images of a page and, if there may be another page, its marker."""
    top = as_dict(data) or {}
    if not isinstance(top.get("images"), list):
        raise Malformed("the reply has no list of images")
    images = [Image.parse(entry) for entry in as_list(top["images"])]
    marker = as_str((as_dict(top.get("page_info")) or {}).get("next_marker"))
    if marker is None and len(images) >= PAGE_SIZE:
        marker = images[-1].id
    return images, marker


def _age(image: Image) -> datetime:
    return image.created_at or _NO_TIME


def _since(time: datetime) -> str:
    return f"gte:{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _segment(value: str) -> str:
    """Return ``value`` as one segment of a path, whatever is in it.

    Raises:
        Refused: it would change the path's meaning.
    """
    if value in ("", ".", ".."):
        raise Refused(f"{value!r} is no id")
    return quote(value, safe="")
