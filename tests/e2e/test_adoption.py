"""A copy that exists is taken over with no copy call, by its marker or by its id."""

import json
from typing import Final

import pytest

from e2e.lab import Lab
from e2e.together import together, together_with_own_operator

_NO_SUCH_IMAGE: Final = "00000000-0000-4000-8000-000000000000"


@together
def test_image_made_by_hand_is_taken_over_by_its_id(lab: Lab) -> None:
    lab.connect()
    image_id = lab.cloud.add_image(name="by-hand")
    seen = lab.copy("golden", target={"adoptImageID": image_id, "tags": {"team": "web"}}).until_at_rest("Succeeded")
    assert seen.told("Ready") == ("True", "Adopted")
    assert seen.status["imageID"] == image_id
    assert seen.status["targetTags"] == {"team": "web"}
    assert lab.cloud.posts() == []


@together
def test_missing_image_is_not_copied_instead_of_being_taken_over(lab: Lab) -> None:
    lab.connect()
    seen = lab.copy("golden", target={"adoptImageID": _NO_SUCH_IMAGE}).until_at_rest("Failed")
    assert seen.told("Stalled") == ("True", "ImageMissing")
    assert _NO_SUCH_IMAGE in seen.message
    assert lab.cloud.posts() == []


@together
def test_replacing_a_finished_object_copies_nothing(lab: Lab) -> None:
    lab.connect()
    copy = lab.copy("golden")
    first = copy.until_at_rest("Succeeded")
    manifest = lab.manifest("golden")
    lab.replace(manifest)
    lab.kubectl("replace", "--force", "-f", "-", stdin=json.dumps(manifest))
    seen = copy.until_at_rest("Succeeded")
    assert seen.body["metadata"]["uid"] != first.body["metadata"]["uid"]
    assert seen.told("Ready") == ("True", "Adopted")
    assert seen.status["imageID"] == first.status["imageID"]
    assert len(lab.cloud.posts()) == 1


@pytest.mark.timeout(240)
@together_with_own_operator
def test_installation_takes_over_its_own_copies_and_no_others(lab: Lab) -> None:
    lab.connect()
    images = []
    for installation, reason in (("one", "Succeeded"), ("two", "Succeeded"), ("one", "Adopted")):
        operator = lab.operator(IMAGECOPY_INSTALLATION_ID=installation)
        copy = lab.copy("golden")
        seen = copy.until_at_rest("Succeeded")
        assert seen.told("Ready") == ("True", reason)
        images.append(seen.status["imageID"])
        copy.delete(20)
        operator.stop()
    assert images[0] == images[2] != images[1]
    assert len(lab.cloud.posts()) == 2


@together
def test_objects_that_want_the_same_name_do_not_take_over_each_others_copies(lab: Lab) -> None:
    lab.connect()
    copies = [lab.copy(f"golden-{number}", target={"name": "golden"}) for number in range(2)]
    images = {copy.until_at_rest("Succeeded").status["imageID"] for copy in copies}
    assert {image["id"] for image in lab.cloud.copies("golden")} == images
    assert len(lab.cloud.posts("golden")) == len(images) == 2
