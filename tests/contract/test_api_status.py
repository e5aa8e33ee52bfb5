"""How the cluster is, over HTTP and on the command line: the same sentence, of what the caller may see."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cli_world import environment
from click.testing import CliRunner, Result

from draas.cli.main import main
from draas.client.api import Client
from draas.client.settings import Settings
from draas.testing.api import Served, make_node, put_key, serve_api

TOO_BIG = {"command": "x", "name": "too-big", "resources": {"cpu_cores": 500, "memory_mb": 64}, "image": "busybox"}
REMEDY = "node-a: it runs no containers, needs 500 cores, 4 of 4 are free. Ask for less, or add a machine that has it."


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serve_api() as started:
        yield started


@pytest.fixture
async def client(served: Served) -> AsyncIterator[Client]:
    async with Client(served.settings(), patience_s=0) as opened:
        yield opened


async def status(served: Served, tmp_path: Path, *words: str) -> Result:
    runner = CliRunner(env=environment(served, tmp_path))
    return await asyncio.to_thread(runner.invoke, main, ["status", *words])


async def test_a_new_controller_says_what_to_do_first(served: Served, client: Client, tmp_path: Path) -> None:
    told = await client.status()
    assert (told["tone"], told["text"]) == ("wait", "No machine yet.")
    assert told["jobs"] == {"waiting": 0, "queued": 0, "running": 0, "succeeded": 0, "failed": 0}
    ran = await status(served, tmp_path)
    assert (ran.exit_code, ran.stdout) == (
        0,
        "No machine yet.\n  Add one, and it runs your jobs and apps.\n  draas nodes\n",
    )


async def test_a_job_that_fits_no_machine_is_the_problem_in_the_same_words(
    served: Served, client: Client, tmp_path: Path
) -> None:
    await served.controller.put_node(make_node())
    assert (await client.status())["text"] == "1 machine, no job running, all healthy."
    assert (await status(served, tmp_path, "--quiet")).stdout == "1 machine, no job running, all healthy.\n"
    job = await client.submit(TOO_BIG)
    told = await client.status()
    about = {"kind": "job", "subject": job["id"]}
    text = "Job too-big fits no machine."
    assert (told["tone"], told["text"]) == ("bad", text)
    assert told["problems"] == [{"tone": "bad", "text": text, "remedy": REMEDY, "about": about}]
    assert told["jobs"]["queued"] == 1
    ran = await status(served, tmp_path)
    assert (ran.exit_code, ran.stdout) == (1, f"{text}\n  {REMEDY}\n  draas explain {job['id']}\n")
    await client.cancel(job["id"])
    assert (await client.status())["tone"] == "good"


async def test_a_key_of_a_project_is_told_of_its_own_jobs(served: Served, client: Client) -> None:
    await served.controller.put_node(make_node())
    await client.submit(TOO_BIG, project="web")
    for project, tone, queued in (("web", "bad", 1), ("other", "good", 0)):
        key = await put_key(served.controller, "viewer", project=project)
        async with Client(Settings(url=served.url, key=key), patience_s=0) as viewer:
            told = await viewer.status()
        assert (told["tone"], told["jobs"]["queued"]) == (tone, queued)
