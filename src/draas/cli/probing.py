"""Trying what is there: a controller at an address, the sandbox of this machine."""

import asyncio
import json
import ssl
import tempfile
from pathlib import Path
from typing import Any

ANSWER_S = 3.0


async def health_of(url: str) -> dict[str, Any] | None:
    """What /healthz says there, None where no controller answers. Certificates are not checked: nothing secret is sent."""
    import aiohttp

    blind = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # without the system's authorities, which are megabytes
    blind.check_hostname, blind.verify_mode = False, ssl.CERT_NONE
    timeout = aiohttp.ClientTimeout(total=ANSWER_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(f"{url}/healthz", ssl=blind) as answer,
        ):
            told = json.loads(await answer.content.read(64 * 1024))
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
        return None
    return told if isinstance(told, dict) and told.get("service") == "draas" else None


async def listens(host: str, port: int) -> bool:
    """Whether anything takes connections there."""
    try:
        async with asyncio.timeout(ANSWER_S):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


async def is_controller(url: str) -> bool:
    """Whether a DRaaS controller answers at `url`."""
    return await health_of(url) is not None


async def sandbox_of() -> tuple[str, str]:
    """Why this user cannot run sandboxed host jobs ("" if they can), and bubblewrap's version. Tried in a folder made for it."""
    from draas.agent.runtimes.process.host_tools import HostTools

    with tempfile.TemporaryDirectory(prefix="draas-sandbox-") as folder:
        (Path(folder) / "work").mkdir()
        tools = HostTools(Path(folder))
        return await tools.sandbox_trouble(), await tools.bwrap_version()
