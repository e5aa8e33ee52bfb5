"""`draas doctor`: looks at this machine and at the way to the controller, and says one line each, with the remedy."""

import asyncio
import os
import shutil
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from draas.cli import checks
from draas.cli.checks import Check
from draas.cli.options import default_data_dir, env
from draas.cli.output import STATE_COLOURS, paint, print_json
from draas.cli.probing import sandbox_of
from draas.cli.running import FAILED
from draas.cli.text import pad, plain


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option("--quiet", "-q", is_flag=True, help="Only what is not in order.")
@click.option("--data-dir", help="The data folder to look at (DRAAS_DATA_DIR).")
def doctor(as_json: bool, quiet: bool, data_dir: str | None) -> None:
    """Check this machine and the way to the controller. Ends with 1 where something that is needed is wrong."""
    given = data_dir or env("DRAAS_DATA_DIR")
    found = asyncio.run(look(Path(given).expanduser() if given else default_data_dir()))
    for check in found:
        if as_json:
            print_json(asdict(check))
        elif check.verdict != "ok" or not quiet:
            click.echo(render(check))
    if any(check.verdict == "wrong" for check in found):
        raise SystemExit(FAILED)


def render(check: Check) -> str:
    """`ok       Python         3.11.2`"""
    verdict = paint(pad(check.verdict, 8), STATE_COLOURS[check.verdict])
    remedy = f": {check.remedy}" if check.remedy else ""
    return f"{verdict}{pad(check.name, 15)}{plain(check.told + remedy)}"


async def look(folder: Path) -> list[Check]:
    """All checks, in the order in which things depend on each other."""
    trouble = await asyncio.to_thread(folder_trouble, folder)
    where = nearest_existing(folder)
    return [
        checks.check_python(sys.version_info[:3]),
        checks.check_folder(str(folder), trouble),
        checks.check_disk(shutil.disk_usage(where).free, str(where)),
        *await look_at_ways(),
        look_at_cgroups(),
        *await look_at_controller(),
    ]


def nearest_existing(folder: Path) -> Path:
    """`folder`, or the first of its parents that is there."""
    return next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())


def folder_trouble(folder: Path) -> str:
    """Why nothing can be written there, "" if it can. Leaves nothing behind, and makes no folder."""
    try:
        with tempfile.NamedTemporaryFile(dir=nearest_existing(folder), prefix=".draas-doctor-") as file:
            file.write(b"x")
            file.flush()
    except OSError as error:
        return error.strerror or str(error)
    return ""


async def look_at_ways() -> tuple[Check, Check]:
    """The ways to run a job: Docker Engine, sandboxed host processes."""
    trouble, engine = await engine_of()
    sandbox_trouble, bwrap = await sandbox_of()
    return checks.check_ways(trouble, engine, sandbox_trouble, f"{bwrap}, sandboxed host jobs can run")


async def engine_of() -> tuple[str, str]:
    """Why the engine cannot be used, or what it is."""
    from draas.agent.runtimes.docker.api import EngineApi, EngineAway, EngineError
    from draas.agent.runtimes.docker.engine_facts import what_is_missing
    from draas.cli.engine_setup import GoWithout, look, plan_engine

    api = EngineApi()
    try:
        version = await api.call("GET", "version", timeout_s=5.0)
    except (EngineAway, EngineError, ValueError) as error:
        steps = plan_engine(await look(os.environ))
        if steps and isinstance(steps[0], GoWithout):
            return steps[0].missing, ""
        if os.environ.get("DOCKER_HOST"):
            return f"DOCKER_HOST={api.address} does not answer ({error}): start it there, or unset DOCKER_HOST", ""
        return f"does not answer ({error}): `draas up` installs and starts it", ""
    finally:
        await api.close()
    return what_is_missing(version), f"{version['Version']}, API {version['ApiVersion']}"


def look_at_cgroups() -> Check:
    """Whether an agent that this user starts could limit host jobs: by doing it, in a group of its own."""
    from draas.agent.runtimes.process.cgroup_slots import NoCgroups, open_pool

    try:
        pool = open_pool(f"draas-doctor-{os.getpid()}")
    except NoCgroups as error:
        return checks.check_cgroups("", str(error))
    pool.close()
    return checks.check_cgroups(pool.version, "")


async def look_at_controller() -> list[Check]:
    """Whether it answers, accepts the key, and has the same time."""
    from draas.client.api import Client
    from draas.client.settings import load_settings
    from draas.client.trust import MAX_SKEW_S
    from draas.lib import clock
    from draas.model.errors import DraasError, Forbidden, Invalid

    try:
        settings = load_settings()
    except Invalid as error:
        return [checks.check_controller("", error.detail, "", asked_for=True)]
    asked_for = settings.key is not None or env("DRAAS_URL", "SCHEDULER_URL", "MASTER_URL") is not None
    try:
        async with Client(settings, patience_s=0) as client:
            began = clock.now()
            health = await client.health()
            behind_s = clock.parse_rfc3339(health["time"]) - (began + clock.now()) / 2
            key = await key_trouble(client, Forbidden)
            disks = await full_disks(client) if not key else []
    except (DraasError, KeyError, TypeError, ValueError) as error:
        told = getattr(error, "detail", "") or f"{settings.url} answers, but it is no DRaaS controller: check the URL"
        return [checks.check_controller(settings.url, told, "", asked_for=asked_for)]
    controller: Any = checks.check_controller(settings.url, "", health["version"], asked_for=asked_for)
    skew = checks.check_skew(behind_s, MAX_SKEW_S)
    return [controller, checks.check_key(key), skew, *(checks.check_far_disk(name, told) for name, told in disks)]


async def full_disks(client: Any) -> list[tuple[str, str]]:
    """The machines whose disks fill up, and what the controller says of each; none where the key may not ask."""
    from draas.model.errors import DraasError

    try:
        told = await client.nodes()
    except DraasError:
        return []
    all_of_them = [
        ("controller", told.get("warnings", [])),
        *((n["name"], n.get("warnings", [])) for n in told["items"]),
    ]
    return [(name, warning) for name, warnings in all_of_them for warning in warnings]


async def key_trouble(client: Any, forbidden: type[Exception]) -> str:
    """Why the controller does not take the key; a key that may do little is still one."""
    from draas.model.errors import DraasError

    try:
        await client.jobs(limit=1)
    except forbidden:
        return ""
    except DraasError as error:
        return error.detail
    return ""
