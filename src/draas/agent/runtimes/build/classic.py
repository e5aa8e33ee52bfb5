"""Building with the engine's classic builder: each step is a container, with the engine's own limits. Source: Docker Engine API 1.41, "Build an image"."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from draas.agent.runtimes.build.buildkit import step_failed
from draas.agent.runtimes.build.engine import Engine, EngineSaid, config_header
from draas.agent.runtimes.build.failure import BuildFailed
from draas.agent.runtimes.build.group_settings import SHARES_V1
from draas.agent.runtimes.build.labels import render_labels
from draas.agent.runtimes.build.log_text import clean
from draas.agent.runtimes.build.order import Order
from draas.agent.runtimes.build.source_tree import Plan
from draas.agent.runtimes.build.telling import Telling
from draas.agent.runtimes.docker.container_body import ALLOCATION
from draas.build.context import Found, find_context
from draas.build.ignore import DOCKERIGNORE
from draas.build.pack import pack
from draas.model.allocation import Cause

DOCKERFILE = ".draas.Dockerfile"
PERIOD_US = 100_000
LEAST_MEMORY_BYTES = 6 * 1024 * 1024  # the engine refuses less
_EXIT_CODE = re.compile(r"The command '(.*)' returned a non-zero code: (\d+)", re.DOTALL)


def build_query(order: Order) -> dict[str, str | int]:
    """The parameters of POST /build. Pure."""
    build = order.build
    memory = max(order.memory_bytes, LEAST_MEMORY_BYTES) if order.memory_bytes else 0
    query: dict[str, str | int] = {
        "version": "1",
        "dockerfile": DOCKERFILE,
        "labels": json.dumps(dict(label.split("=", 1) for label in render_labels(order))),
        "buildargs": json.dumps(dict(build.args)),
        "memory": memory,
        "memswap": memory,  # that of memory and swap together: no swap
        "cpuperiod": PERIOD_US,
        "cpuquota": order.cpu_millis * PERIOD_US // 1000,
        "cpushares": SHARES_V1,
        "rm": 1,
        "forcerm": 1,
    }
    return query | ({"target": build.target} if build.target else {}) | ({} if build.cache else {"nocache": 1})


def build_with_classic(order: Order, plan: Plan, text: str, engine: Engine, tell: Telling) -> str:
    """The image's id. Raises BuildFailed."""
    ignored = plan.context / DOCKERIGNORE
    patterns = (
        plan.ignore if plan.ignore is not None else ignored.read_text(errors="replace") if ignored.is_file() else ""
    )
    if plan.ignore is not None:
        _add(ignored, patterns)
    found = [one for one in find_context(plan.context, packed=True) if one.path not in (DOCKERIGNORE, DOCKERFILE)]
    # The engine takes away what .dockerignore leaves out of these two, so that COPY . . does not have them.
    found.append(_add(ignored, f"{patterns}\n{DOCKERFILE}\n" + ("" if patterns else f"{DOCKERIGNORE}\n")))
    found.append(_add(plan.context / DOCKERFILE, text))
    headers = {"Content-Type": "application/x-tar", "Transfer-Encoding": "chunked"}
    headers |= config_header((order.registry, *order.logins))
    image_id = ""
    try:
        body: Iterator[bytes] = pack(plan.context, found)
        for message in engine.messages("POST", "build", headers=headers, body=body, **build_query(order)):
            for line in lines_of(message):
                tell(line)
            image_id = str((message.get("aux") or {}).get("ID", image_id))
    except EngineSaid as said:
        if match := _EXIT_CODE.search(said.message):
            raise step_failed(int(match[2]), match[1]) from None
        told = f"{said.message}: correct the Dockerfile or the source; the lines above say more"
        raise BuildFailed(Cause.EXIT, told) from None
    return image_id


def _add(path: Path, text: str) -> Found:
    path.unlink(missing_ok=True)  # it may be a link
    path.write_text(text)
    status = path.stat()
    return Found(path=path.name, mode=status.st_mode, size_bytes=status.st_size)


def lines_of(message: dict[str, Any]) -> list[str]:
    """What a message of the engine puts into the log; of a pull only what begins and what is done. Pure."""
    if "stream" in message:
        return [shown for line in str(message["stream"]).splitlines() if (shown := clean(line)).strip()]
    status, id = str(message.get("status", "")), str(message.get("id", ""))
    if (
        not status
        or message.get("progressDetail")
        or status in ("Waiting", "Preparing", "Pulling fs layer", "Verifying Checksum")
    ):
        return []
    return [clean(f"{id}: {status}" if id else status)]


def ran_out_of_memory(engine: Engine, since: float, until: float) -> bool:
    """Whether a container that is no allocation's was killed for want of memory in between."""
    wanted = json.dumps({"type": ["container"], "event": ["oom"]})
    events = engine.messages("GET", "events", headers={}, since=f"{since:.9f}", until=f"{until:.9f}", filters=wanted)
    return any(ALLOCATION not in event["Actor"]["Attributes"] for event in events)
