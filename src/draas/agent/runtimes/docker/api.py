"""EngineApi: the Docker Engine's HTTP API as this runtime uses it, over aiodocker's connection."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiodocker
import aiohttp

from draas.agent.runtimes.docker.image_ledger import ImageLedger

VERSION = "1.41"  # Debian 12's engine (20.10); older ones lack what we ask for
CALL_TIMEOUT_S = 60.0  # a loaded engine takes seconds to start a container; a minute means that it hangs
STREAM_BUFFER_BYTES = 1024 * 1024  # how far a stream is read ahead of its consumer before TCP holds the engine back
DEFAULT_SOCKETS = ("/run/docker.sock", "/var/run/docker.sock")

Json = Any  # the engine's answers are read field by field


class EngineError(Exception):
    """The engine answered with an error: HTTP status and its message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{message} (HTTP {status})")
        self.status = status
        self.message = message


class EngineAway(Exception):
    """The engine does not answer: not running, restarting, hanging, or not ours to reach. `detail` says which."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


def engine_address(url: str | None) -> str:
    """Where the engine listens: `url`, else DOCKER_HOST, else the first usual socket that exists."""
    if url or (url := os.environ.get("DOCKER_HOST")):
        return url
    found = next((path for path in DEFAULT_SOCKETS if Path(path).is_socket()), DEFAULT_SOCKETS[-1])
    return f"unix://{found}"


def is_local(url: str | None) -> bool:
    """Whether the engine at `url`, or where it is looked for without one, runs on this machine."""
    return engine_address(url).startswith("unix://")


class EngineApi:
    """One engine. Raises EngineError where it refuses and EngineAway where it does not answer within the time-out."""

    def __init__(self, url: str | None = None) -> None:
        self.address = engine_address(url)
        self.ledger: ImageLedger | None = None  # of what is pulled, where somebody keeps one
        self._docker: aiodocker.Docker | None = None

    def _connected(self) -> aiodocker.Docker:
        if self._docker is None:
            pinned = f"v{VERSION}"
            if self.address.startswith("unix://"):
                # No limit: every followed log holds a connection, and the default of 100 stalls the next call.
                connector = aiohttp.UnixConnector(self.address.removeprefix("unix://"), limit=0)
                session = aiohttp.ClientSession(connector=connector)
                self._docker = aiodocker.Docker(url="http://localhost", session=session, api_version=pinned)
                self._session = session
            else:
                self._docker = aiodocker.Docker(url=self.address, api_version=pinned)
                self._session = self._docker.session
        return self._docker

    @property
    def local(self) -> bool:
        """Whether the engine runs on this machine, so that its cgroups and files may be looked at."""
        return is_local(self.address)

    @property
    def host(self) -> str:
        """The machine that it runs on, as it was named; nothing where it is this one."""
        return "" if self.local else urlsplit(self.address).hostname or ""

    async def call(
        self,
        method: str,
        path: str,
        *,
        body: Json = None,
        data: bytes | None = None,
        timeout_s: float = CALL_TIMEOUT_S,
        headers: Mapping[str, str] | None = None,
        **query: str | int,
    ) -> Json:
        """One call; the decoded answer, or None where there is none."""
        limit = aiohttp.ClientTimeout(total=timeout_s)
        async with self._request(method, path, query, body, data, limit, headers) as response:
            text = await response.read()
        return json.loads(text) if text and response.content_type == "application/json" else None

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        *,
        body: Json = None,
        silence_s: float | None = None,
        headers: Mapping[str, str] | None = None,
        **query: str | int,
    ) -> AsyncIterator[aiohttp.StreamReader]:
        """A call whose answer goes on; EngineAway after `silence_s` seconds without a byte."""
        limit = aiohttp.ClientTimeout(total=None, sock_connect=CALL_TIMEOUT_S, sock_read=silence_s)
        async with self._request(method, path, query, body, None, limit, headers) as response:
            yield response.content

    @asynccontextmanager
    async def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str | int],
        body: Json,
        data: bytes | None,
        limit: aiohttp.ClientTimeout,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        try:
            docker = self._connected()
            url = f"{docker.docker_host}/v{VERSION}/{path}"
            kind = {"Content-Type": "application/x-tar"} if data is not None else {}
            async with self._session.request(
                method,
                url,
                params=query,
                json=body,
                data=data,
                headers={**kind, **(headers or {})},
                timeout=limit,
                read_bufsize=STREAM_BUFFER_BYTES,
            ) as response:
                if response.status >= 400:
                    raise EngineError(response.status, await _message(response))
                yield response
        except TimeoutError:
            raise EngineAway(f"the engine at {self.address} gave no answer in time") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise EngineAway(f"the engine at {self.address} cannot be reached ({error})") from error

    async def accepts(self) -> bool:
        """Whether the engine takes new connections: one that is about to stop does not, and still answers on those it has."""
        if not self.local:
            return True
        try:
            async with asyncio.timeout(CALL_TIMEOUT_S):
                _, writer = await asyncio.open_unix_connection(self.address.removeprefix("unix://"))
        except (OSError, TimeoutError):
            return False
        writer.close()
        return True

    async def close(self) -> None:
        if self._docker is not None:
            await self._docker.close()
            await self._session.close()
            self._docker = None


async def _message(response: aiohttp.ClientResponse) -> str:
    text = (await response.read()).decode(errors="replace").strip()
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text or response.reason or "no message"


def filters(**wanted: list[str]) -> str:
    """The `filters` parameter of list and event calls."""
    return json.dumps(wanted)
