"""Signing with a wrong clock: the cloud's time is taken over, and said to be."""

import logging
from dataclasses import replace
from datetime import timedelta

import pytest

from imagecopy.ims import CredentialsInvalid, ProjectRef
from unit.ims.auth.login_cloud import BY_KEY, LoginCloud, refused
from unit.ims.cloud import PROJECT

BY_ID = replace(BY_KEY, project=ProjectRef(id=PROJECT))
IMAGE = "/v2/images/i"

OFF = [timedelta(hours=3), timedelta(hours=-3), timedelta(minutes=16), timedelta(days=400)]


@pytest.mark.parametrize("off", OFF, ids=str)
async def test_with_a_wrong_clock_the_clouds_time_is_signed(
    login_cloud: LoginCloud, off: timedelta, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    login_cloud.wall_off = off
    async with login_cloud.client(BY_ID) as client:
        for _ in range(3):
            await client.get_image("i")
    assert len(login_cloud.requests) == 4, "one is repeated, and the others are right at once"
    assert len(caplog.messages) == 1
    minutes = abs(off) // timedelta(minutes=1)
    assert f"{minutes} minutes {'ahead of' if off > timedelta() else 'behind'} the cloud's" in caplog.messages[0]


async def test_a_clock_that_is_set_right_again_is_followed(login_cloud: LoginCloud) -> None:
    async with login_cloud.client(BY_ID) as client:
        for off in (timedelta(hours=3), timedelta(), timedelta(hours=-1)):
            login_cloud.wall_off = off
            await client.get_image("i")
    assert len(login_cloud.requests) == 1 + 1 + 2 * 2


async def test_a_wrong_clock_and_a_wrong_key_are_two_tries_and_both_are_told(login_cloud: LoginCloud) -> None:
    login_cloud.wall_off = timedelta(hours=3)
    async with login_cloud.client(replace(BY_ID, secret_access_key="wrong")) as client:
        with pytest.raises(CredentialsInvalid) as caught:
            await client.get_image("i")
    assert caught.value.message == (
        "verify aksk signature fail. Check accessKeyID and secretAccessKey; the clock of the operator's machine is "
        "180 minutes ahead of the cloud's, which may be the reason, too"
    )
    assert len(login_cloud.requests) == 2


async def test_a_clock_that_is_a_little_off_is_no_reason_to_repeat(login_cloud: LoginCloud) -> None:
    login_cloud.wall_off = timedelta(minutes=4)
    async with login_cloud.client(replace(BY_ID, secret_access_key="wrong")) as client:
        with pytest.raises(CredentialsInvalid, match=r"secretAccessKey \(APIGW"):
            await client.get_image("i")
    assert len(login_cloud.requests) == 1


async def test_where_the_clouds_time_is_not_told_the_clock_is_named(login_cloud: LoginCloud) -> None:
    login_cloud.answers[IMAGE] = lambda _: refused("Not you.")
    async with login_cloud.client(BY_ID) as client:
        with pytest.raises(CredentialsInvalid, match=r"and the clock of the operator's machine \(it may be 15 minutes"):
            await client.get_image("i")
