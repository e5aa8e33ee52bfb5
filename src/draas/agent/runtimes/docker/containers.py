"""Containers: the calls that change one by name. What is gone already, or is so already, is no error. Raises EngineError, EngineAway."""

from typing import Any

from draas.agent.runtimes.docker.api import EngineApi, EngineError
from draas.agent.runtimes.docker.container_state import Info

KILL_TIMEOUT_S = 30.0  # what SIGKILL does not end within this is stuck in the kernel


async def inspect(api: EngineApi, name: str) -> Info | None:
    """What the engine says of it; None where there is none."""
    found: Info | None = await get_or_none(api, f"containers/{name}/json")
    return found


async def get_or_none(api: EngineApi, path: str) -> Any:
    """What is at `path`; None where nothing is."""
    try:
        return await api.call("GET", path)
    except EngineError as error:
        if error.status != 404:
            raise
        return None


async def send_signal(api: EngineApi, name: str, signal: str) -> None:
    """Send it to the first process in there."""
    try:
        await api.call("POST", f"containers/{name}/kill", signal=signal)
    except EngineError as error:
        if error.status not in (404, 409):  # gone, or not running
            raise


async def unpause(api: EngineApi, name: str) -> None:
    """Let it go on."""
    try:
        await api.call("POST", f"containers/{name}/unpause")
    except EngineError as error:
        if error.status not in (404, 409, 500):  # gone, or not paused (any more)
            raise


async def delete(api: EngineApi, name: str) -> None:
    """Remove it with its anonymous volumes, and return when it is gone."""
    try:
        await api.call("DELETE", f"containers/{name}", force=1, v=1)
    except EngineError as error:
        if error.status == 404:
            return
        if error.status != 409:
            raise
        await _until_gone(api, name)  # its removal is under way already


async def _until_gone(api: EngineApi, name: str) -> None:
    try:
        await api.call("POST", f"containers/{name}/wait", condition="removed", timeout_s=KILL_TIMEOUT_S)
    except EngineError as error:
        if error.status != 404:
            raise
