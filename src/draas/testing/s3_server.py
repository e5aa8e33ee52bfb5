"""A real server of the S3 protocol over a folder (rclone's), and a relay before it, in which a test lets things go wrong.

rclone checks signatures, writes objects whole or not at all, and survives SIGKILL; what it lacks is the 206 of an answer to a range, which
the relay puts right.
"""

import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import aiohttp
import obstore
from aiohttp import web
from obstore.store import S3Store
from yarl import URL

from draas.testing.engine import end_of
from draas.testing.waiting import wait_for

KEY_ID, SECRET = "test-key", "test-secret-0815"
BUCKET = "images"
_PIECE = 256 * 1024
Hook = Callable[[str, str], Awaitable[None]]


class S3Server:
    """Its objects are files below `folder`/BUCKET."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / BUCKET).mkdir(parents=True)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self._address = f"127.0.0.1:{probe.getsockname()[1]}"
        self.url = f"http://{self._address}"
        self._popen: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it listens. Raises TimeoutError with the end of its log."""
        program = Path(sys.executable).parent / "rclone"
        words: list[str | Path] = [program, "serve", "s3", "--addr", self._address, "--auth-key", f"{KEY_ID},{SECRET}"]
        words += ["--config", "/dev/null", self.folder]
        log = self.folder.with_suffix(".log")
        with log.open("ab") as out:
            self._popen = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        host, port = self._address.split(":")

        def listens() -> str:
            with socket.socket() as probe:
                return "" if probe.connect_ex((host, int(port))) == 0 else end_of(log)

        wait_for(listens, lambda said: not said, "the S3 server listens")

    def kill(self) -> None:
        """SIGKILL."""
        if self._popen is not None:
            self._popen.kill()
            self._popen.wait()

    def objects(self, prefix: str) -> dict[str, bytes]:
        """All below `prefix`, by the rest of their keys."""
        top = self.folder / BUCKET / prefix
        return {str(path.relative_to(top)): path.read_bytes() for path in sorted(top.rglob("*")) if path.is_file()}

    async def copy(self, source: str, target: str) -> None:
        """All below the prefix `source` to `target` as well."""
        for key, content in self.objects(source).items():
            await obstore.put_async(self._store(), f"{target}/{key}", content)

    async def delete(self, key: str) -> None:
        """As somebody else would."""
        await obstore.delete_async(self._store(), key)

    def _store(self) -> S3Store:
        return S3Store(
            BUCKET,
            endpoint=self.url,
            access_key_id=KEY_ID,
            secret_access_key=SECRET,
            client_options={"allow_http": True},
        )


@contextmanager
def s3_server(folder: Path) -> Iterator[S3Server]:
    """A server with one empty bucket, for the length of the block."""
    server = S3Server(folder)
    server.start()
    try:
        yield server
    finally:
        server.kill()


class S3Relay:
    """`url` is what clients are told. `before` and `after` are called with method and path of each request: before it is passed on,
    and when the server has done it but its answer is not passed on yet. `status` is answered instead of asking, where it is set."""

    def __init__(self, server: S3Server) -> None:
        self._server = server
        self.before: Hook | None = None
        self.after: Hook | None = None
        self.status: int | None = None
        self.asked: list[str] = []  # METHOD path
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self._port = int(probe.getsockname()[1])
        self.url = f"http://127.0.0.1:{self._port}"
        self._runner: web.ServerRunner | None = None
        self._session: aiohttp.ClientSession | None = None

    @property
    def environ(self) -> dict[str, str]:
        """What clients need to come here."""
        return {"AWS_ENDPOINT_URL": self.url, "AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET}

    async def start(self) -> None:
        self._session = aiohttp.ClientSession(auto_decompress=False, timeout=aiohttp.ClientTimeout(total=None))
        self._runner = web.ServerRunner(web.Server(self._pass), shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True).start()

    async def stop(self) -> None:
        """Connections are refused from now on, and those that are open are cut."""
        if self._runner is not None and self._session is not None:
            await self._runner.cleanup()
            await self._session.close()
            self._runner = self._session = None

    async def _pass(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked.append(f"{request.method} {request.path}")
        if self.before is not None:
            await self.before(request.method, request.path)
        if self.status is not None:
            return web.Response(status=self.status, headers={"Connection": "close"})
        assert self._session is not None
        async with self._session.request(
            request.method,
            URL(self._server.url + request.raw_path, encoded=True),
            headers=request.headers,
            data=request.content if request.can_read_body else None,
            skip_auto_headers=("Content-Type", "User-Agent", "Accept", "Accept-Encoding"),
            allow_redirects=False,
        ) as found:
            if self.after is not None:
                await self.after(request.method, request.path)
            status = 206 if found.status == 200 and "Content-Range" in found.headers else found.status
            answer = web.StreamResponse(status=status, headers=found.headers)
            await answer.prepare(request)
            if request.method != "HEAD":
                async for piece in found.content.iter_chunked(_PIECE):
                    await answer.write(piece)
            await answer.write_eof()
            return answer


@asynccontextmanager
async def s3_relay(server: S3Server) -> AsyncIterator[S3Relay]:
    """A relay for the length of the block."""
    relay = S3Relay(server)
    await relay.start()
    try:
        yield relay
    finally:
        await relay.stop()
