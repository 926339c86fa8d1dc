"""Trouble with provider, Secret and login: the object names what to mend, and goes on when it is mended."""

import time

from e2e.lab import WRONG_PASSWORD, Lab
from e2e.objects import Copy, Seen
from e2e.processes import wait_for
from e2e.together import together

_PICKED_UP_SECONDS = 15.0
"""A promise of ours, so it is asserted as it stands."""


def _until_not_ready(copy: Copy, reason: str, *words: str) -> Seen:
    seen = copy.until(lambda seen: seen.told("ProviderReady") == ("False", reason), f"ProviderReady False, {reason}")
    for word in words:
        assert word in seen.condition("ProviderReady")["message"]
        assert word in seen.message
    assert seen.told("Reconciling") == ("True", reason)
    assert seen.condition("Stalled") == {}
    assert words[0] in copy.until_event(reason)
    return seen


def _assert_picked_up(lab: Lab, copy: Copy) -> None:
    wait_for(lambda: lab.cloud.posts(copy.name), "the copy call, after what was missing appeared", _PICKED_UP_SECONDS)
    seen = copy.until_at_rest("Succeeded")
    assert seen.told("ProviderReady")[0] == "True"
    assert len(lab.cloud.posts(copy.name)) == 1


@together
def test_missing_provider_is_named_and_picked_up(lab: Lab) -> None:
    lab.secret(lab.cloud.login())
    copy = lab.copy("golden")
    _until_not_ready(copy, "WaitingForProvider", f"ImageProvider {lab.namespace}/cloud")
    lab.provider()
    _assert_picked_up(lab, copy)


@together
def test_missing_secret_is_named_and_picked_up(lab: Lab) -> None:
    lab.provider()
    copy = lab.copy("golden")
    _until_not_ready(copy, "WaitingForProvider", f"Secret {lab.namespace}/login")
    assert lab.cloud.calls() == []
    lab.secret(lab.cloud.login())
    _assert_picked_up(lab, copy)


@together
def test_missing_key_of_the_secret_is_named_and_picked_up(lab: Lab) -> None:
    login = lab.cloud.login()
    lab.secret({key: value for key, value in login.items() if key != "domainName"})
    lab.provider()
    copy = lab.copy("golden")
    _until_not_ready(copy, "InvalidConfiguration", f"Secret {lab.namespace}/login", "domainName")
    assert lab.cloud.calls() == []
    lab.secret(login)
    _assert_picked_up(lab, copy)


@together
def test_wrong_password_is_told_with_few_logins_and_a_new_one_is_picked_up(lab: Lab) -> None:
    lab.secret(lab.cloud.login() | {"password": WRONG_PASSWORD})
    lab.provider()
    copies = [lab.copy(f"golden-{number}") for number in range(4)]
    for copy in copies:
        seen = _until_not_ready(copy, "CredentialsInvalid", f"Secret {lab.namespace}/login")
        assert "The username or password is wrong" in seen.message
    # Five wrong logins in a row lock an account, so the count over some time is what matters.
    first = lab.cloud.calls("token")[0]["time"]
    wait_for(lambda: time.time() > first + 20, "20 s since the first login")
    assert len(lab.cloud.calls("token")) <= 2
    lab.secret(lab.cloud.login())
    for copy in copies:
        copy.until_at_rest("Succeeded", seconds=90)
    assert len(lab.cloud.posts()) == len(copies)


@together
def test_unreachable_endpoint_is_named_and_the_copy_made_when_it_answers(lab: Lab) -> None:
    lab.connect()
    lab.cloud.stop()
    copy = lab.copy("golden")
    _until_not_ready(copy, "TransientError", "127.0.0.1")
    lab.cloud.start()
    copy.until_at_rest("Succeeded")
    assert len(lab.cloud.posts()) == 1


@together
def test_unknown_project_is_named(lab: Lab) -> None:
    project = "0123456789abcdef0123456789abcdef"
    lab.secret(lab.cloud.login())
    lab.provider(projectID=project)
    copy = lab.copy("golden")
    seen = copy.until(lambda seen: seen.told("ProviderReady")[0] == "False", "ProviderReady False")
    assert project in seen.message
    assert lab.cloud.posts() == []


@together
def test_host_that_is_not_allowed_is_named_and_never_called(lab: Lab) -> None:
    lab.secret(lab.cloud.login())
    elsewhere = f"http://localhost:{lab.cloud.port}"
    lab.provider(endpoints={"ims": elsewhere, "iam": f"{elsewhere}/v3"})
    copy = lab.copy("golden")
    host = f"localhost:{lab.cloud.port}"
    _until_not_ready(copy, "InvalidConfiguration", host, "IMAGECOPY_ENDPOINT_ALLOWLIST")
    assert lab.cloud.calls() == []
    path = f"/apis/imagecopy.io/v1alpha1/namespaces/{lab.namespace}/imageproviders/cloud"
    lab.api.patch(path, {"spec": lab.provider_spec()})
    _assert_picked_up(lab, copy)


@together
def test_missing_permission_is_told_in_the_clouds_words(lab: Lab) -> None:
    lab.secret(lab.cloud.login(can_copy=False))
    lab.provider()
    copy = lab.copy("golden")
    seen = copy.until_reason("PermissionDenied")
    assert "IMG.0026" in seen.message
    assert seen.told("Reconciling") == ("True", "PermissionDenied")
    assert lab.cloud.copies() == []
