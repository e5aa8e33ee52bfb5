"""From flags to the API's job body, from files to batches, and back from faults to flags."""

import click
import pytest

from draas.cli.calling import render_invalid
from draas.cli.job_body import FLAGS, job_body
from draas.cli.run import render_end
from draas.cli.submit import BATCH, read_jobs, split_batches
from draas.cli.waiting import describe, is_under_way
from draas.model.errors import Fault, Invalid
from draas.wire.api import MAX_BATCH, JobBody

NOTHING = {
    "image": None, "cpu": None, "memory": None, "gpu": None, "name": None, "priority": None, "retries": None, "timeout": None,
    "env": (), "label": (), "constraint": (), "needs": (), "exclusive": False, "host": False, "node": None,
}  # fmt: skip


def test_nothing_given_sends_the_command_alone() -> None:
    assert job_body(("ls | wc -l",), NOTHING) == {"command": "ls | wc -l"}
    assert job_body(("ls", "-l"), NOTHING) == {"command": ["ls", "-l"]}


def test_every_flag_is_a_field_that_the_api_knows() -> None:
    given = {
        "image": None, "cpu": 2.0, "memory": "1g", "gpu": 1, "name": "n", "priority": 70, "retries": 2, "timeout": "5m",
        "env": ("A=1", "B"), "label": ("k=v",), "constraint": ("node.arch == amd64",), "needs": ("j-1",), "exclusive": True,
        "host": True, "node": "vm",
    }  # fmt: skip
    body = job_body(("true",), given, {"B": "from here"})
    assert body == {
        "command": "true", "resources": {"cpu_cores": 2.0, "memory_mb": 1024, "gpus": 1}, "name": "n", "priority": 70,
        "retries": 2, "timeout_s": 300, "env": {"A": "1", "B": "from here"}, "labels": {"k": "v"},
        "constraints": ["node.arch == amd64"], "needs": ["j-1"], "node": "vm", "exclusive": True, "runtime": "process",
    }  # fmt: skip
    assert JobBody.model_validate(body).timeout_s == 300


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"env": ("=1",)}, "--env must be"),
        ({"env": ("UNSET",)}, "--env UNSET"),
        ({"label": ("k",)}, "--label must be"),
        ({"host": True, "image": "x"}, "--host or --image"),
    ],
)
def test_wrong_flags_are_named(wrong: dict, told: str) -> None:
    with pytest.raises(click.UsageError, match=told):
        job_body(("true",), {**NOTHING, **wrong}, {})


def test_faults_are_told_by_flag() -> None:
    one = Invalid("the request is not valid", (Fault("resources.memory_mb", "must be at least 6"),))
    assert render_invalid(one, FLAGS) == "--memory (in MiB) must be at least 6"
    two = Invalid("no", (Fault("env['A B']", "is no name"), Fault("priority", "must be at most 100")))
    assert (
        render_invalid(two, FLAGS) == "2 fields are wrong:\n  --env 'A B' is no name\n  --priority must be at most 100"
    )
    assert render_invalid(Invalid("just so"), FLAGS) == "just so"
    assert render_invalid(Invalid("no", (Fault("jobs[3].nam", "is not known"),)), {}) == "jobs[3].nam is not known"


@pytest.mark.parametrize(
    "text",
    [
        '{"command": "a"}\n{"command": "b"}\n',
        '[{"command": "a"}, {"command": "b"}]',
        '{"jobs": [{"command": "a"},\n {"command": "b"}]}',
        '\n{"command": "a"}\n\n{"command": "b"}',
    ],
)
def test_files_of_jobs(text: str) -> None:
    assert read_jobs(text, "f") == [{"command": "a"}, {"command": "b"}]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "has no jobs"),
        ("[]", "has no jobs"),
        ("[1]", r"jobs\[0\] must be an object"),
        ("{", "neither JSON nor JSON lines: Expecting"),
        ('{"command": "a"}\n{"command": }', "line 2"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_files_that_hold_none(text: str, told: str) -> None:
    with pytest.raises(click.UsageError, match=told):
        read_jobs(text, "f")


def test_many_jobs_go_in_several_requests_unless_they_need_each_other() -> None:
    assert BATCH == MAX_BATCH
    jobs = [{"command": "x"}] * (BATCH + 1)
    assert [len(batch) for batch in split_batches(jobs)] == [BATCH, 1]
    with pytest.raises(click.UsageError, match="fit into one request"):
        split_batches([*jobs, {"command": "y", "needs": ["x"]}])


def test_what_a_job_waits_for_in_words() -> None:
    attempt = {"state": "preparing", "detail": "pulling 43 %", "node": "vm"}
    job = {"state": "waiting", "needs": ["j-1"], "reason": "", "attempts": []}
    assert describe(job) == "waits for j-1"
    assert describe({**job, "state": "queued"}, "none of 1 node can take it") == "queued: none of 1 node can take it"
    pulling = {**job, "state": "running", "attempts": [attempt]}
    assert describe(pulling) == "pulling 43 % on vm"
    assert not is_under_way(pulling)
    assert is_under_way({**pulling, "attempts": [{**attempt, "state": "running"}]})
    assert is_under_way({**job, "state": "skipped"})


def test_how_a_job_ended_in_words() -> None:
    job = {"id": "j-1", "state": "failed", "reason": "", "attempts": [{"detail": "out of memory"}]}
    assert render_end(job) == "job j-1 failed: out of memory"
    assert render_end({**job, "state": "cancelled", "reason": "cancelled", "attempts": []}) == "job j-1 cancelled"
    assert render_end({**job, "state": "succeeded"}) == ""
