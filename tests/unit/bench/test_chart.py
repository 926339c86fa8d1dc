"""The choice of what is drawn from the results of the benchmark. The drawing itself needs matplotlib: `make chart`."""

import json
from pathlib import Path

import pytest

from bench import chart, peer, picture
from bench.chart import Result, Unusable
from bench.picture import Line, Panel, Point, Product


def result(scenario: str = "burst", objects: int = 1000, **fields: object) -> dict[str, object]:
    return {
        "scenario": scenario,
        "objects": objects,
        "copy_seconds": 60.0,
        "at": "2026-11-27T23:50:00Z",
        "operator": {"cpu_seconds": 12.3, "cores": 0.21, "peak_rss_mib": 95.0, "rss_mib": 90.0},
        "kubernetes": {"requests": {"PATCH imagecopies 200": 5000}, "writes_per_object": 5.0},
        "cloud": {"calls": {"copy": 1000, "job": 4000}, "per_copy": 5.1, "most_per_second": 230},
        "seconds": {"all_posted": 9.8, "detection": {"count": 1000, "p50": 1.9, "p95": 4.1, "max": 5.0}},
        "loop_lag": {"p50": 0.001},
        **fields,
    }


def parsed(*lines: dict[str, object]) -> tuple[Result, ...]:
    return tuple(Result.model_validate(line) for line in lines)


def write(path: Path, *lines: dict[str, object]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def panel(title: str, *lines: dict[str, object]) -> Panel:
    return next(panel for panel in chart.panels(parsed(*lines)) if title in panel.title)


def ours(panel: Panel) -> tuple[Line, ...]:
    return tuple(line for line in panel.lines if line.product is Product.OURS)


def test_all_files_of_the_folder_are_read(tmp_path: Path) -> None:
    write(tmp_path / "b.jsonl", result(objects=100), result(objects=1000))
    write(tmp_path / "a.jsonl", result("steady"))
    (tmp_path / "notes.txt").write_text("no result")

    assert [read.scenario for read in chart.read(tmp_path)] == ["steady", "burst", "burst"]


def test_what_a_scenario_does_not_measure_may_be_absent_or_null(tmp_path: Path) -> None:
    bare: dict[str, object] = {"scenario": "ceiling", "objects": 7, "at": "2026-11-27T23:50:00Z", "operator": None}
    file = write(tmp_path / "x.jsonl", bare, result(cloud={"per_copy": None}, seconds={"detection": None}))

    ceiling, burst = chart.read(file)

    assert (ceiling.operator.cores, ceiling.seconds.detection.p50) == (None, None)
    assert (burst.cloud.per_copy, burst.seconds.detection.p95) == (None, None)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "not JSON"),
        ("[]", "the line: "),
        ('{"scenario": "burst", "at": "2026-11-27T23:50:00Z"}', "objects: Field required"),
        ('{"scenario": "burst", "objects": 1, "at": "2026-11-27T23:50:00"}', "at: "),
        ('{"scenario": "burst", "objects": 1, "at": "2026-11-27T23:50:00Z", "operator": {"cores": NaN}}', "cores"),
    ],
)
def test_a_wrong_line_is_named(line: str, why: str, tmp_path: Path) -> None:
    file = write(tmp_path / "x.jsonl", result())
    file.write_text(f"{file.read_text()}\n{line}\n")

    with pytest.raises(Unusable) as raised:
        chart.read(tmp_path)

    assert f"{file}:3: " in str(raised.value)
    assert why in str(raised.value)


def test_the_newest_line_of_a_scenario_and_number_of_objects_wins() -> None:
    results = parsed(
        result(objects=1000, at="2026-11-27T23:50:00Z", copy_seconds=2),
        result(objects=1000, at="2026-11-28T01:00:00+02:00", copy_seconds=1),  # 23:00 UTC
        result(objects=100, at="2026-11-01T00:00:00Z", copy_seconds=3),
        result("steady", objects=1000, at="2026-11-29T00:00:00Z", copy_seconds=4),
    )

    assert [(each.objects, each.copy_seconds) for each in chart.newest(results, "burst")] == [(100, 3), (1000, 2)]


def test_of_equally_old_lines_the_later_wins() -> None:
    results = parsed(result(copy_seconds=1), result(copy_seconds=2))

    assert [each.copy_seconds for each in chart.newest(results, "burst")] == [2]


def test_each_panel_shows_ours_against_the_peer() -> None:
    chosen = chart.panels(parsed(result(objects=100), result(objects=10_000)))

    assert len(chosen) == 6
    for panel in chosen:
        assert [point.objects for point in ours(panel)[0].points] == [100, 10_000]
        theirs = [line for line in panel.lines if line.product is Product.PEER]
        assert [line.name for line in theirs] == [line.name for line in ours(panel)]
        assert [point.objects for point in theirs[0].points] == [burst.objects for burst in peer.BURSTS]


@pytest.mark.parametrize(
    ("title", "mine", "theirs"),
    [
        ("POSTed", [9.8], [9.8]),
        ("Detection", [1.9, 4.1], [5.1, 9.5]),
        ("Cloud calls", [5.1], [7.5]),
        ("memory", [95], [41]),
        ("writes", [5], [4]),
        ("cores", [0.21], [0.08]),
    ],
)
def test_a_panel_shows_its_figure(title: str, mine: list[float], theirs: list[float]) -> None:
    at_1000 = [point.value for line in panel(title, result()).lines for point in line.points if point.objects == 1000]

    assert at_1000 == [*mine, *theirs]


def test_sizes_without_the_figure_are_left_out() -> None:
    shown = panel("POSTed", result(objects=100, seconds=None), result(seconds={"all_posted": 3}), result(objects=5000))

    with pytest.raises(Unusable, match=r"no result of the scenario burst has seconds\.detection\.p50"):
        chart.panels(parsed(result(seconds={"all_posted": 3})))
    assert ours(shown)[0].points == (Point(1000, 3), Point(5000, 9.8))


def test_cores_are_those_of_steady_polling() -> None:
    shown = panel("cores", result(), result("steady", objects=10_000, operator={"cores": 0.3}, copy_seconds=3600))

    assert ours(shown)[0].points == (Point(10_000, 0.3),)
    assert shown.note == ""


def test_cores_of_a_burst_stand_in_and_the_panel_says_so() -> None:
    shown = panel("cores", result(), result("steady", operator=None))

    assert ours(shown)[0].points == (Point(1000, 0.21),)
    assert "burst" in shown.note


def test_other_copies_than_the_peers_are_not_compared() -> None:
    with pytest.raises(Unusable, match="burst of 1000 objects had copies of 5 s, the peer was measured with 60 s"):
        chart.panels(parsed(result(copy_seconds=5)))


@pytest.mark.parametrize(
    ("value", "label"), [(0.17, "0.17"), (0.005, "0.005"), (5.0, "5"), (9.84, "9.8"), (82.4, "82"), (1234.5, "1,234")]
)
def test_values_are_labelled_with_as_many_digits_as_say_something(value: float, label: str) -> None:
    assert picture.value_label(value) == label


def test_numbers_of_objects_are_labelled_shortly() -> None:
    assert [picture.objects_label(objects) for objects in (100, 1000, 2500, 10_000)] == ["100", "1k", "2.5k", "10k"]


def test_labels_are_moved_apart_and_keep_their_order() -> None:
    assert picture.spread([0.5, 0.0, 0.5, 2.0], 1.0) == (1.0, 0.0, 2.0, 3.0)
    assert picture.spread([0.0, 0.5], 0.25) == (0.0, 0.5)


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ([], "there is no result of the scenario burst"),
        ([result("ceiling")], "there is no result of the scenario burst"),
        ([result(cloud=None)], "no result of the scenario burst has cloud.per_copy"),
        ([result(operator=None)], "no result of the scenario burst has operator.cores"),
    ],
)
def test_what_is_missing_is_said_and_nothing_drawn(
    lines: list[dict[str, object]], why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "drawn.svg"

    code = chart.main(["--from", str(write(tmp_path / "x.jsonl", *lines)), "--to", str(target)])

    assert (code, why in capsys.readouterr().err, target.exists()) == (1, True, False)


@pytest.mark.parametrize("name", ["", "missing", "missing.jsonl"])
def test_a_missing_file_or_an_empty_folder_is_said(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert chart.main(["--from", str(tmp_path / name)]) == 1
    assert "run the benchmark first" in capsys.readouterr().err
