"""POST /v2/{project_id}/images/resource_instances/action: images by their tags, listed or counted.

Source: "OTC IMS API reference, Querying Images by Tag": a key without values stands for any value; names match when
they contain what is looked for, ids exactly; limit (10) and offset (0) are texts; without_any_tag makes the tags in the
request ignored. Its code for a request that makes no sense is not documented.
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

    def on(self, tags: dict[str, str]) -> bool:
        return self.key in tags and (not self.values or tags[self.key] in self.values)


class _Match(BaseModel):
    key: Literal["resource_name", "resource_id"]
    value: str

    def on(self, image: Image) -> bool:
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

    def finds(self, image: Image) -> bool:
        """Whether an image is looked for."""
        tags = tags_of(image)

        def have(quantifier: Callable[[list[bool]], bool], wanted: list[_Tag]) -> bool:
            return quantifier([tag.on(tags) for tag in wanted])

        if not all(match.on(image) for match in self.matches):
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
    """200, the number of images that are found and, unless they are only counted, a page of them. Raises: ImsError."""
    require_project(context.caller, context.params["project_id"])
    try:
        search = _Search.model_validate(context.json_object())
    except ValidationError as error:
        raise ImsError("IMG.0115", f"The field {problems_of(error)[0][0]} is invalid.") from None
    found = [image for image in own_images(context) if search.finds(image)]
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
