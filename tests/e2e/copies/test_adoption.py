"""An existing copy is adopted without a copy call, by its marker or by its id."""

import json
from typing import Final

import pytest

from e2e.environment import Environment
from e2e.parallel import parallel, parallel_with_own_operator

_NO_SUCH_IMAGE: Final = "00000000-0000-4000-8000-000000000000"


@parallel
def test_image_made_by_hand_is_taken_over_by_its_id(env: Environment) -> None:
    env.connect()
    image_id = env.cloud.add_image(name="by-hand")
    state = env.copy("golden", target={"adoptImageID": image_id, "tags": {"team": "web"}}).until_finished("Succeeded")
    assert state.status_and_reason("Ready") == ("True", "Adopted")
    assert state.status["imageID"] == image_id
    assert state.status["targetTags"] == {"team": "web"}
    assert env.cloud.posts() == []


@parallel
def test_missing_image_is_not_copied_instead_of_being_taken_over(env: Environment) -> None:
    env.connect()
    state = env.copy("golden", target={"adoptImageID": _NO_SUCH_IMAGE}).until_finished("Failed")
    assert state.status_and_reason("Stalled") == ("True", "ImageMissing")
    assert _NO_SUCH_IMAGE in state.message
    assert env.cloud.posts() == []


@parallel
def test_replacing_a_finished_object_copies_nothing(env: Environment) -> None:
    env.connect()
    copy = env.copy("golden")
    first = copy.until_finished("Succeeded")
    manifest = env.manifest("golden")
    env.replace(manifest)
    env.kubectl("replace", "--force", "-f", "-", stdin=json.dumps(manifest))
    state = copy.until_finished("Succeeded")
    assert state.body["metadata"]["uid"] != first.body["metadata"]["uid"]
    assert state.status_and_reason("Ready") == ("True", "Adopted")
    assert state.status["imageID"] == first.status["imageID"]
    assert len(env.cloud.posts()) == 1


@pytest.mark.timeout(240)
@parallel_with_own_operator
def test_installation_takes_over_its_own_copies_and_no_others(env: Environment) -> None:
    env.connect()
    images = []
    for installation, reason in (("one", "Succeeded"), ("two", "Succeeded"), ("one", "Adopted")):
        operator = env.operator(IMAGECOPY_INSTALLATION_ID=installation)
        copy = env.copy("golden")
        state = copy.until_finished("Succeeded")
        assert state.status_and_reason("Ready") == ("True", reason)
        images.append(state.status["imageID"])
        copy.delete(20)
        operator.stop()
    assert images[0] == images[2] != images[1]
    assert len(env.cloud.posts()) == 2


@parallel
def test_objects_that_want_the_same_name_do_not_take_over_each_others_copies(env: Environment) -> None:
    env.connect()
    copies = [env.copy(f"golden-{number}", target={"name": "golden"}) for number in range(2)]
    images = {copy.until_finished("Succeeded").status["imageID"] for copy in copies}
    assert {image["id"] for image in env.cloud.copies("golden")} == images
    assert len(env.cloud.posts("golden")) == len(images) == 2
