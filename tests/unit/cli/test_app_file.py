"""draas.yaml: read as written, and every mistake with its line."""

import click
import pytest

from draas.cli.app_file import read_apps


def fields(text: str) -> dict[str, object]:
    (app,) = read_apps(f"app: a\n{text}", "f")
    return dict(app.fields)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("port: 80", {"port": 80}),
        ("port: 0x50", {"port": "0x50"}),
        ("port: 080", {"port": "080"}),
        ("stop_grace_s: 1.5", {"stop_grace_s": 1.5}),
        ("deploy: {rollback: off, order: no}", {"deploy": {"rollback": "off", "order": "no"}}),
        ("maintenance: true", {"maintenance": True}),
        ("health: {tcp: }", {"health": {"tcp": None}}),
        ("env: {A: 010, B: yes, C: 12:30, D: null, E: 1e3, F: 2026-01-31, G: '${HOME}'}", {
            "env": {"A": "010", "B": "yes", "C": "12:30", "D": "null", "E": "1e3", "F": "2026-01-31", "G": "${HOME}"},
        }),
        ("labels: {tier: 1}", {"labels": {"tier": "1"}}),
        ("command: [sleep, 5]", {"command": ["sleep", "5"]}),
        ("health: {exec: [test, 1]}", {"health": {"exec": ["test", "1"]}}),
    ],
)  # fmt: skip
def test_values_are_what_is_written(text: str, value: dict[str, object]) -> None:
    assert fields(text) == {"app": "a", **value}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "f has no apps"),
        ("[]", "f has no apps"),
        ("just text", "f line 1: an app is fields such as"),
        ("- 5", "f line 1: an app is fields such as"),
        ("image: x", "f line 1: app must be the app's name"),
        ("image: x\napp: 5", "f line 2: app must be the app's name"),
        ("app: a\nimage: x\nimage: y", "f line 3: image stands there twice, first on line 2"),
        ("app: a\nenv:\n  A: 1\n  A: 2", "f line 4: env.A stands there twice, first on line 3"),
        ("app: a\n---\napp: a", "f line 3: the app a stands there twice"),
        ("app: a\nenv: &x {A: 1}\nlabels: *x", "f line 2: labels refers to an anchor"),
        ("app: a\nimage: !!python/object:os.system x", "f line 2: image has the tag"),
        ("app: a\n? [x]\n: y", "has a name that is no text"),
        ("app: a\n\tport: 80", "f line 2:"),
        ("app: [", "f line"),
        ("app: a\nx: " + "[" * 5000, "f is nested too deeply"),
        ("app: \0", "f is no YAML"),
    ],
)
def test_mistakes_are_told_with_their_line(text: str, told: str) -> None:
    with pytest.raises(click.UsageError) as caught:
        read_apps(text, "f")
    assert told in caught.value.message


def test_several_apps_and_where_their_fields_stand() -> None:
    first, second, third = read_apps("- app: a\n  port: 1\n- app: b\n---\napp: c\nhealth:\n  http: /\n", "f")
    assert [one.name for one in (first, second, third)] == ["a", "b", "c"]
    assert (first.line_of("port"), second.line_of("image"), third.line_of("health.http")) == (2, 3, 7)
    assert third.line_of("health.timeout_s") == 6
