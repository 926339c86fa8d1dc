"""Problems with provider, Secret and login: the object names the fix, and continues after it."""

import time

from e2e.environment import WRONG_PASSWORD, Environment
from e2e.objects import Copy, CopyState
from e2e.parallel import parallel
from support.waiting import wait_for

_PICKED_UP_SECONDS = 15.0
"""A promise of ours, so it is asserted as it stands."""


def _until_not_ready(copy: Copy, reason: str, *words: str) -> CopyState:
    state = copy.until(
        lambda state: state.status_and_reason("ProviderReady") == ("False", reason), f"ProviderReady False, {reason}"
    )
    for word in words:
        assert word in state.condition("ProviderReady")["message"]
        assert word in state.message
    assert state.status_and_reason("Reconciling") == ("True", reason)
    assert state.condition("Stalled") == {}
    assert words[0] in copy.until_event(reason)
    return state


def _assert_picked_up(env: Environment, copy: Copy) -> None:
    wait_for(lambda: env.cloud.posts(copy.name), "the copy call, after what was missing appeared", _PICKED_UP_SECONDS)
    state = copy.until_finished("Succeeded")
    assert state.status_and_reason("ProviderReady")[0] == "True"
    assert len(env.cloud.posts(copy.name)) == 1


@parallel
def test_missing_provider_is_named_and_picked_up(env: Environment) -> None:
    env.secret(env.cloud.login())
    copy = env.copy("golden")
    _until_not_ready(copy, "WaitingForProvider", f"ImageProvider {env.namespace}/cloud")
    env.provider()
    _assert_picked_up(env, copy)


@parallel
def test_missing_secret_is_named_and_picked_up(env: Environment) -> None:
    env.provider()
    copy = env.copy("golden")
    _until_not_ready(copy, "WaitingForProvider", f"Secret {env.namespace}/login")
    assert env.cloud.calls() == []
    env.secret(env.cloud.login())
    _assert_picked_up(env, copy)


@parallel
def test_missing_key_of_the_secret_is_named_and_picked_up(env: Environment) -> None:
    login = env.cloud.login()
    env.secret({key: value for key, value in login.items() if key != "domainName"})
    env.provider()
    copy = env.copy("golden")
    _until_not_ready(copy, "InvalidConfiguration", f"Secret {env.namespace}/login", "domainName")
    assert env.cloud.calls() == []
    env.secret(login)
    _assert_picked_up(env, copy)


@parallel
def test_wrong_password_is_told_with_few_logins_and_a_new_one_is_picked_up(env: Environment) -> None:
    env.secret(env.cloud.login() | {"password": WRONG_PASSWORD})
    env.provider()
    copies = [env.copy(f"golden-{number}") for number in range(4)]
    for copy in copies:
        state = _until_not_ready(copy, "CredentialsInvalid", f"Secret {env.namespace}/login")
        assert "The username or password is wrong" in state.message
    # Five wrong logins in a row lock an account, so the test counts the logins during some time.
    first = env.cloud.calls("token")[0]["time"]
    wait_for(lambda: time.time() > first + 20, "20 s since the first login")
    assert len(env.cloud.calls("token")) <= 2
    env.secret(env.cloud.login())
    for copy in copies:
        copy.until_finished("Succeeded", seconds=90)
    assert len(env.cloud.posts()) == len(copies)


@parallel
def test_unreachable_endpoint_is_named_and_the_copy_made_when_it_answers(env: Environment) -> None:
    env.connect()
    env.cloud.stop()
    copy = env.copy("golden")
    _until_not_ready(copy, "TransientError", "127.0.0.1")
    env.cloud.start()
    copy.until_finished("Succeeded")
    assert len(env.cloud.posts()) == 1


@parallel
def test_unknown_project_is_named(env: Environment) -> None:
    project = "0123456789abcdef0123456789abcdef"
    env.secret(env.cloud.login())
    env.provider(projectID=project)
    copy = env.copy("golden")
    state = copy.until(lambda state: state.status_and_reason("ProviderReady")[0] == "False", "ProviderReady False")
    assert project in state.message
    assert env.cloud.posts() == []


@parallel
def test_host_that_is_not_allowed_is_named_and_never_called(env: Environment) -> None:
    env.secret(env.cloud.login())
    elsewhere = f"http://localhost:{env.cloud.port}"
    env.provider(endpoints={"ims": elsewhere, "iam": f"{elsewhere}/v3"})
    copy = env.copy("golden")
    host = f"localhost:{env.cloud.port}"
    _until_not_ready(copy, "InvalidConfiguration", host, "IMAGECOPY_ENDPOINT_ALLOWLIST")
    assert env.cloud.calls() == []
    path = f"/apis/imagecopy.io/v1alpha1/namespaces/{env.namespace}/imageproviders/cloud"
    env.api.patch(path, {"spec": env.provider_spec()})
    _assert_picked_up(env, copy)


@parallel
def test_missing_permission_is_told_in_the_clouds_words(env: Environment) -> None:
    env.secret(env.cloud.login(can_copy=False))
    env.provider()
    copy = env.copy("golden")
    state = copy.until_reason("PermissionDenied")
    assert "IMG.0026" in state.message
    assert state.status_and_reason("Reconciling") == ("True", "PermissionDenied")
    assert env.cloud.copies() == []
