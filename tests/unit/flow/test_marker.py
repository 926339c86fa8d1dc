from string import ascii_letters, digits

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagecopy.flow.marker import Marker, owner_of, token_of
from unit.flow.builders import KEY, spec

HEX = st.text("0123456789abcdef", min_size=16, max_size=16)
MARKERS = st.builds(Marker, owner=HEX, token=HEX)
DESCRIPTIONS = st.none() | st.text(st.characters(exclude_characters="\r\n<>", codec="utf-8"), max_size=980)
MARKER = Marker("0123456789abcdef", "fedcba9876543210")


@given(MARKERS, DESCRIPTIONS)
def test_a_marker_is_found_in_the_description_that_it_was_put_in(marker: Marker, description: str | None) -> None:
    described = marker.describe(description)
    assert Marker.find(described) == marker
    assert described.startswith(description or "")


@given(MARKERS, DESCRIPTIONS)
def test_a_described_target_fits_the_cloud(marker: Marker, description: str | None) -> None:
    assert len(marker.describe(description)) <= 1024


def test_the_longest_description_leaves_room_for_the_marker() -> None:
    assert len(MARKER.describe("x" * 980)) == 980 + 1 + 38 <= 1024


@given(MARKERS)
def test_a_marker_holds_letters_and_digits_only(marker: Marker) -> None:
    assert set(str(marker)) <= set(ascii_letters + digits)


@pytest.mark.parametrize(
    "description",
    [
        None,
        "",
        "imgcp1",
        f"{MARKER} and more",
        f"{MARKER}.",
        f"{MARKER}0",
        f"x{MARKER}",
        f"{MARKER} ",
        str(MARKER)[:-1],
        str(MARKER).upper(),
        str(MARKER).replace("imgcp1", "imgcp2"),
    ],
)
def test_a_marker_is_found_at_the_end_only_and_whole(description: str | None) -> None:
    assert Marker.find(description) is None


@given(MARKERS, MARKERS)
def test_of_two_markers_the_last_one_counts(first: Marker, last: Marker) -> None:
    """A copy of a copy carries the description that it was given, which ends in its own marker."""
    assert Marker.find(last.describe(str(first))) == last


def test_the_owner_is_the_same_for_an_object_that_is_applied_again() -> None:
    wanted = spec(target={"name": "golden", "tags": {"a": "b"}})
    same = spec(target={"name": "golden", "tags": {"c": "d"}}, suspend=True, backoffLimit=0, activeDeadlineSeconds=1)
    assert owner_of("prod", "team-a", "x", wanted) == owner_of("prod", "team-a", "x", same)


def test_the_owner_differs_for_anything_that_makes_it_another_copy() -> None:
    base = {"target": {"name": "n", "description": "d", "kmsKeyID": KEY, "enterpriseProjectID": "0"}}
    specs = [
        spec(**base),
        spec(**base | {"source": {"imageID": KEY}}),
        *(spec(target={k: v for k, v in base["target"].items() if k != gone}) for gone in base["target"]),
        spec(**base, providerRef={"name": "other"}),
        spec(**base, providerRef={"kind": "ImageProvider"}),
    ]
    owners = {owner_of("prod", "team-a", "x", wanted) for wanted in specs}
    owners |= {owner_of(*names, specs[0]) for names in [("dev", "team-a", "x"), ("prod", "b", "x"), ("prod", "b", "y")]}
    assert len(owners) == len(specs) + 3


def test_the_owner_of_an_object_never_changes_between_versions() -> None:
    """An owner that is computed otherwise would not recognise the copies that older versions made."""
    assert owner_of("prod", "team-a", "golden", spec()) == "d68a31e301ba0493"
    assert token_of("uid-1", 1) == "25185799f4e7b4a2"


@given(st.tuples(st.text(), st.integers(1)), st.tuples(st.text(), st.integers(1)))
def test_tokens_differ_by_object_and_attempt(one: tuple[str, int], other: tuple[str, int]) -> None:
    assert (token_of(*one) == token_of(*other)) == (one == other)
