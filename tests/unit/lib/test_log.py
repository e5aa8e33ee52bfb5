"""The log: what a line looks like to people, to machines, and when it cannot be written."""

import io
import json
import sys
from pathlib import Path

import pytest

from draas.lib import log

NOON = 1_769_860_800.25


def test_a_line_tells_time_level_event_and_fields() -> None:
    line = log.render_line(NOON, "warning", "not linked", {"reason": "no route", "tries": 3, "host": "a.b:80"})
    assert line == "2026-01-31T12:00:00.250Z [warning] not linked reason='no route' tries=3 host=a.b:80"


@pytest.mark.parametrize("value", ["two words", "a=b", "line\nfeed", "\x1b[2J", 'say "x"', "\u202egnp.exe"])
def test_what_could_be_taken_for_something_else_is_quoted(value: str) -> None:
    assert log.render_line(NOON, "info", "seen", {"value": value}).endswith(f"value={value!r}")


def test_colours_change_nothing_but_the_colour() -> None:
    painted = log.render_line(NOON, "info", "linked", {"node": "n-1"}, colours=True)
    assert "\x1b[1mlinked\x1b[0m" in painted


def test_machines_get_json_of_any_value() -> None:
    told = json.loads(log.render_json(NOON, "error", "failed", {"path": Path("/x"), "count": 2}))
    assert told == {
        "timestamp": "2026-01-31T12:00:00.250Z",
        "level": "error",
        "event": "failed",
        "path": repr(Path("/x")),
        "count": 2,
    }


def test_a_defect_is_told_with_where_it_came_from(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise KeyError("lost")
    except KeyError as error:
        log.error("task died", cause=error, task="loop")
    told = capsys.readouterr().err.splitlines()
    assert told[0].endswith("[error  ] task died task=loop")
    assert told[1] == "Traceback (most recent call last):"
    assert told[-1] == "KeyError: 'lost'"


@pytest.mark.parametrize(("least", "told"), [("warning", ["warning", "error"]), ("loud", ["info", "warning", "error"])])
def test_levels_below_the_one_asked_for_are_silent(
    least: str, told: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DRAAS_LOG_LEVEL", least)
    monkeypatch.setenv("DRAAS_LOG", "json")
    monkeypatch.setattr(log, "_told", log._told)
    monkeypatch.setattr(log, "_render", log._render)
    log.set_up_log()
    for say in (log.debug, log.info, log.warning, log.error):
        say("happened")
    assert [json.loads(line)["level"] for line in capsys.readouterr().err.splitlines()] == told


def test_a_full_disk_under_the_log_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with io.TextIOWrapper(open("/dev/full", "wb", buffering=0), write_through=True) as full:
        monkeypatch.setattr(sys, "stderr", full)
        log.warning("the disk is full")
