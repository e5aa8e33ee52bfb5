"""What tests of the command line share: a user's environment, and waiting for the job that a command submits."""

import asyncio
import os
from pathlib import Path

from draas.model.job import JobId
from draas.testing.api import Served


def bare_environment(tmp_path: Path) -> dict[str, str | None]:
    """As of a user who has nothing: None takes a variable away."""
    clear = {name: None for name in os.environ if name.startswith("DRAAS_")}
    return {**clear, "HOME": str(tmp_path), "XDG_CONFIG_HOME": None, "DRAAS_DATA_DIR": str(tmp_path / "data")}


def environment(served: Served, tmp_path: Path, **more: str) -> dict[str, str | None]:
    """As of a user who has nothing but this controller."""
    return {**bare_environment(tmp_path), "DRAAS_URL": served.url, "DRAAS_KEY": served.secrets["admin"], **more}


def for_process(variables: dict[str, str | None]) -> dict[str, str]:
    """This process's environment with these changes."""
    return {name: value for name, value in {**os.environ, **variables}.items() if value is not None}


async def first_job(served: Served) -> JobId:
    """The first job as soon as it is submitted."""
    async with asyncio.timeout(30):
        async for event in served.controller.follow_events(0):
            if event.event.kind == "job.queued":
                return JobId(event.event.subject)
    raise LookupError("no job was submitted")
