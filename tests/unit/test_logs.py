"""Log lines: what each carries, and what none may carry."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import structlog

from imagecopy import logs
from imagecopy.ims import Call, CallRecord, ImsError
from imagecopy.settings import LogFormat, LogLevel
from unit.copies.builders import Stage
from unit.ims.cloud import PASSWORD, SOURCE, Cloud


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    root, watched = logging.getLogger(), ("kopf", "kopf.objects", "httpx", "aiohttp.access")
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in watched}
    filters = logging.getLogger("kopf.objects").filters[:]
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)
    logging.getLogger("kopf.objects").filters[:] = filters
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def configured(form: LogFormat = LogFormat.JSON, level: LogLevel = LogLevel.INFO) -> structlog.stdlib.BoundLogger:
    logs.configure(form, level)
    # Not the loggers that modules hold: those keep what was configured when they were used first.
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger("imagecopy.test")
    return logger


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    captured = capsys.readouterr()
    assert captured.out == "", "logs go to standard error"
    return [json.loads(line) for line in captured.err.splitlines()]


def test_a_line_carries_the_object_that_it_is_about(capsys: pytest.CaptureFixture[str]) -> None:
    logger = configured()
    with structlog.contextvars.bound_contextvars(namespace="team-a", name="golden", attempt=2, job="j-1"):
        logger.info("copied", request_id="r-1")
        logging.getLogger("some.library").warning("odd: %s", "thing")
    logger.info("after")
    ours, foreign, after = lines(capsys)
    about = {"namespace": "team-a", "name": "golden", "attempt": 2, "job": "j-1"}
    assert about.items() <= ours.items()
    assert about.items() <= foreign.items(), "lines of libraries, too"
    assert (ours["event"], ours["level"], ours["request_id"]) == ("copied", "info", "r-1")
    assert (foreign["event"], foreign["logger"]) == ("odd: thing", "some.library")
    assert "namespace" not in after
    assert ours["timestamp"].endswith("Z")


def test_an_exception_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    logger = configured()
    try:
        raise ValueError("broken")
    except ValueError:
        logger.exception("a tick failed")
    (line,) = lines(capsys)
    assert "ValueError: broken" in line["exception"]


def test_a_percent_sign_is_no_format(capsys: pytest.CaptureFixture[str]) -> None:
    configured().log(logging.INFO, "25% copied, 100%s", reason="Progress")
    assert [line["event"] for line in lines(capsys)] == ["25% copied, 100%s"]


@pytest.mark.parametrize("level", list(LogLevel))
def test_lines_below_the_level_are_left_out(capsys: pytest.CaptureFixture[str], level: LogLevel) -> None:
    logger = configured(level=level)
    for name in LogLevel:
        logger.log(getattr(logging, name.value.upper()), name.value)
    order = [name.value for name in LogLevel]
    assert [line["event"] for line in lines(capsys)] == order[order.index(level.value) :]


def test_a_console_line_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    configured(LogFormat.CONSOLE).info("copied", name="golden")
    told = capsys.readouterr().err
    assert "copied" in told
    assert "name=golden" in told
    assert not told.lstrip().startswith("{")


def test_the_next_ticks_of_kopf_are_no_errors(capsys: pytest.CaptureFixture[str]) -> None:
    configured()
    kopf = logging.getLogger("kopf.objects")
    kopf.error("Timer 'copy' failed temporarily: ")
    kopf.error("Timer 'copy' failed permanently: bug")
    assert [line["event"] for line in lines(capsys)] == ["Timer 'copy' failed permanently: bug"]


@pytest.mark.parametrize(
    ("error", "level", "shown"), [(None, LogLevel.DEBUG, 1), (None, LogLevel.INFO, 0), ("No.", LogLevel.INFO, 1)]
)
def test_a_call_of_the_cloud_is_shown_if_it_failed_or_all_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, error: str | None, level: LogLevel, shown: int
) -> None:
    monkeypatch.setattr(logs, "_calls", configured(level=level))
    record = CallRecord(
        call=Call.GET_JOB, method="GET", path="/v1/jobs/j", status=400, code="IMG.1", request_id="r-1", error=error,
        seconds=0.12345,
    )  # fmt: skip
    logs.cloud_call(record)
    told = lines(capsys)
    assert len(told) == shown
    if shown:
        assert (told[0]["path"], told[0]["seconds"], told[0]["request_id"]) == ("/v1/jobs/j", 0.123, "r-1")
        assert told[0].get("code") == ("IMG.1" if error else None)


async def test_no_secret_is_logged_even_at_debug(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "_calls", configured(level=LogLevel.DEBUG))
    cloud = Cloud()
    cloud.answer(httpx.Response(403, json={"error": {"message": "No.", "code": "IMG.0002"}}))
    async with cloud.client() as client:
        with pytest.raises(ImsError) as caught:
            await client.get_image(SOURCE)
    for record in cloud.records:
        logs.cloud_call(record)
    logging.getLogger("imagecopy").error("%s", caught.value)
    told = capsys.readouterr().err
    assert "IMG.0002" in told
    assert "/v3/auth/tokens" in told, "the login is shown, too"
    assert "token-1" not in told
    assert PASSWORD not in told


async def test_a_reconcile_logs_its_attempt_and_its_job(capsys: pytest.CaptureFixture[str]) -> None:
    configured()
    stage = Stage()
    await stage.operator.registry.run_step(stage.operator.reconciler.reconcile, stage.record)
    told = [line for line in lines(capsys) if line["event"].startswith("attempt 1 was accepted")]
    assert len(told) == 1
    assert (told[0]["namespace"], told[0]["name"], told[0]["attempt"]) == ("team-a", "golden", 1)
    assert told[0]["job"] == stage.kube.status.job_id
