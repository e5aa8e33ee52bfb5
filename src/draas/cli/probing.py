"""Asking what answers at an address, without a key and without trusting it."""

import json
import ssl
from typing import Any

ANSWER_S = 3.0


async def health_of(url: str) -> dict[str, Any] | None:
    """What /healthz says there, None where no controller answers. Certificates are not checked: nothing secret is sent."""
    import aiohttp

    blind = ssl.create_default_context()
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


async def is_controller(url: str) -> bool:
    """Whether a DRaaS controller answers at `url`."""
    return await health_of(url) is not None
