"""POST /v2/{project_id}/images/resource_instances/action: lists or counts images by their tags.

Source: "OTC IMS API reference, Querying Images by Tag". A key without values matches any value. A name matches if it
contains the given text, an id only exactly. limit (10) and offset (0) are strings. With without_any_tag, the tags of
the request are ignored. The code for an invalid request is not documented.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from pydantic import BaseModel, Field, JsonValue, ValidationError

from ims_simulator.gateway.authentication import require_project
from ims_simulator.gateway.context import Context
from ims_simulator.ims.rows import status_of
from ims_simulator.ims.tagging import listed_tags, own_images, tags_of
from ims_simulator.parsing import JsonObject, problems_of
from ims_simulator.replies.errors import ImsError, Reply
from ims_simulator.state.records import Image


class _Tag(BaseModel):
    key: str = Field(min_length=1)
    values: list[str]

    def is_on(self, tags: dict[str, str]) -> bool:
        return self.key in tags and (not self.values or tags[self.key] in self.values)


class _Match(BaseModel):
    key: Literal["resource_name", "resource_id"]
    value: str

    def fits(self, image: Image) -> bool:
        if self.key == "resource_id" or not self.value:
            return self.value == (image.id if self.key == "resource_id" else image.name)
        return self.value in image.name


class _Search(BaseModel):
    action: Literal["filter", "count"]
    tags: list[_Tag] = Field([], max_length=10)
    tags_any: list[_Tag] = Field([], max_length=10)
    not_tags: list[_Tag] = Field([], max_length=10)
    not_tags_any: list[_Tag] = Field([], max_length=10)
    without_any_tag: bool = False
    matches: list[_Match] = []
    limit: int = Field(10, ge=1, le=1000)
    offset: int = Field(0, ge=0)

    def selects(self, image: Image) -> bool:
        """Whether an image is one that the search asks for."""
        tags = tags_of(image)

        def have(quantifier: Callable[[list[bool]], bool], wanted: list[_Tag]) -> bool:
            return quantifier([tag.is_on(tags) for tag in wanted])

        if not all(match.fits(image) for match in self.matches):
            return False
        if self.without_any_tag:
            return not tags
        return (
            have(all, self.tags)
            and (not self.tags_any or have(any, self.tags_any))
            and not (self.not_tags and have(all, self.not_tags))
            and not have(any, self.not_tags_any)
        )


def search_by_tags(context: Context) -> Reply:
    """Count images and, for the action `filter`, list one page of them. Raises: ImsError."""
    require_project(context.caller, context.params["project_id"])
    try:
        search = _Search.model_validate(context.json_object())
    except ValidationError as error:
        raise ImsError("IMG.0115", f"The field {problems_of(error)[0][0]} is invalid.") from None
    found = [image for image in own_images(context) if search.selects(image)]
    body: JsonObject = {"total_count": len(found)}
    if search.action == "filter":
        page = found[search.offset : search.offset + search.limit]
        body["resources"] = [_resource(context, image) for image in page]
    return Reply(200, body)


def _resource(context: Context, image: Image) -> JsonValue:
    return {
        "resource_id": image.id,
        "resource_name": image.name,
        "resource_detail": {"status": status_of(context.cloud, image, context.now)},
        "tags": listed_tags(image),
    }
