"""A machine that builds: a private engine, the controller's registry behind its loopback, and what a test says of a build."""

import asyncio
import contextlib
import hashlib
import io
import os
import tarfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from registry_client import RegistryClient, registry

from draas.agent.runtimes.build.build_runtime import BuildRuntime
from draas.agent.runtimes.build.order import Builder
from draas.agent.runtimes.docker.api import EngineApi
from draas.agent.runtimes.runtime import Exited
from draas.lib import ids
from draas.lib.tasks import Tasks
from draas.model.allocation import AllocationId, Desired
from draas.model.image_name import Digest, Repository
from draas.model.job import JobId, ProjectName, RuntimeName
from draas.model.login import Login
from draas.model.resources import GIB, MIB, Resources
from draas.testing.engine import PrivateEngine
from draas.wire.link import Assignment, BuildOrder
from draas.wire.records import unpack

DEADLINE_S = 60.0
BASE = "draas/busybox:latest"


@dataclass(kw_only=True)
class Sources:
    """The cluster's registry as the build runtime sees it: uploads by digest, and the login of the machine's loopback."""

    login: Login
    uploads: dict[Digest, bytes] = field(default_factory=dict)

    @property
    def builds_login(self) -> Login:
        return self.login

    def upload(self, archive: bytes) -> Digest:
        digest = Digest(f"sha256:{hashlib.sha256(archive).hexdigest()}")
        self.uploads[digest] = archive
        return digest

    async def fetch(self, repository: Repository, digest: Digest, to: Path) -> None:
        await asyncio.to_thread(to.write_bytes, self.uploads[digest])


def archive_of(files: Mapping[str, str | bytes]) -> bytes:
    """A tar.gz."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for path, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            info = tarfile.TarInfo(path)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


@dataclass(kw_only=True)
class Machine:
    """One machine during one test."""

    folder: Path
    engine: PrivateEngine
    api: EngineApi
    sources: Sources
    client: RegistryClient
    builder: Builder | None = None
    away: bool = False  # whether the loopback of the agent closes every connection

    def open(self) -> BuildRuntime:
        """A runtime on this machine: after a close, or after the agent died."""
        return BuildRuntime(self.folder, api=self.api, images=self.sources, owner="n-contract", builder=self.builder)

    def order(self, files: Mapping[str, str | bytes] | None = None, **given: Any) -> Assignment:
        """Valid by default."""
        resources = Resources(
            cpu_millis=given.pop("cpu_millis", 1000), memory_bytes=given.pop("memory_bytes", 256 * MIB)
        )
        id = AllocationId(ids.new("a"))
        logins = given.pop("logins", ())
        build: dict[str, Any] = {
            "repository": Repository("p/web"), "source": None, "git": "", "tags": (), "folder": "", "dockerfile": "",
            "target": "", "args": {}, "platform": "", "disk_bytes": 10 * GIB, "cache": True,
        }  # fmt: skip
        if files is not None:
            build["source"] = self.sources.upload(archive_of(files))
        return Assignment(
            id=id,
            job_id=JobId(f"j-{id}"),
            project=ProjectName("p"),
            number=1,
            name="contract",
            runtime=RuntimeName.BUILD,
            image=None,
            command=(),
            env={},
            resources=resources,
            timeout_s=None,
            exclusive=False,
            desired=Desired.RUN,
            log_cap_bytes=100_000_000,
            build=BuildOrder(**{**build, **given}),
            logins=logins,
        )

    async def base(self, tag: str, *commands: str) -> None:
        """An image of busybox under this name, in which these commands were run: what no machine here can pull."""
        text = "\n".join([f"FROM {BASE}", *(f"RUN {command}" for command in commands)])
        words = ["docker", "-H", self.engine.url, "build", "-q", "-t", tag, "-"]
        process = await asyncio.create_subprocess_exec(
            *words,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            env={**os.environ, "DOCKER_BUILDKIT": "0"},
        )
        await process.communicate(text.encode())
        assert process.returncode == 0

    async def inspect(self, image: str) -> dict[str, Any]:
        found: dict[str, Any] = await self.api.call("GET", f"images/{image}/json")
        return found


async def text_of(runtime: BuildRuntime, id: AllocationId) -> str:
    """All of its log."""
    async with asyncio.timeout(DEADLINE_S):
        items = [item async for item in runtime.output(id, 0)]
    return b"".join(record.data for item in items for record in unpack(item)).decode()


async def run(runtime: BuildRuntime, order: Assignment) -> tuple[Exited, str]:
    """Build, and how it ended, with its log."""
    async with asyncio.timeout(DEADLINE_S):
        await runtime.prepare(order, lambda _: None)
        await runtime.start(order)
        ended = await runtime.wait(order.id)
    return ended, await text_of(runtime, order.id)


@contextlib.asynccontextmanager
async def machine(folder: Path, engine: PrivateEngine, builder: Builder | None = None) -> AsyncIterator[Machine]:
    """For the length of the block."""
    async with registry(folder / "registry") as client, Tasks("loopback") as tasks:
        listening = engine.listen()
        target = int(client.served.url.rsplit(":", 1)[1])

        async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError):
                while data := await reader.read(65536):
                    writer.write(data)
                    await writer.drain()
            writer.close()

        async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if made.away:
                writer.close()
                return
            there, back = await asyncio.open_connection("127.0.0.1", target)
            tasks.spawn(carry(reader, back), "up")
            tasks.spawn(carry(there, writer), "down")

        server = await asyncio.start_server(forward, sock=listening)
        login = Login(
            host=f"127.0.0.1:{listening.getsockname()[1]}", username="node", password=client.served.secrets["admin"]
        )
        api = EngineApi(engine.url)
        made = Machine(
            folder=folder / "builds",
            engine=engine,
            api=api,
            sources=Sources(login=login),
            client=client,
            builder=builder,
        )
        try:
            yield made
        finally:
            await clean(made)
            await api.close()
            server.close()


async def clean(made: Machine) -> None:
    """Nothing of the test stays on the machine."""
    runtime = made.open()
    for one in await runtime.found():
        await runtime.remove(one.id)
    await runtime.close()
