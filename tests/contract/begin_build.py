"""An agent's part of a build, in a process of its own so that it can be killed: begin it, say so, and look on."""

import asyncio
import sys
from pathlib import Path

import msgspec

from draas.agent.runtimes.build.build_runtime import BuildRuntime
from draas.agent.runtimes.docker.api import EngineApi
from draas.model.image_name import Digest, Repository
from draas.model.login import Login
from draas.wire.link import Assignment


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    folder: str
    engine: str
    login: Login
    assignment: Assignment
    source: bytes


class _Sources:
    def __init__(self, begun: Begun) -> None:
        self.builds_login = begun.login
        self._source = begun.source

    async def fetch(self, repository: Repository, digest: Digest, to: Path) -> None:
        await asyncio.to_thread(to.write_bytes, self._source)


async def main(begun: Begun) -> None:
    api, sources = EngineApi(begun.engine), _Sources(begun)
    runtime = BuildRuntime(Path(begun.folder), api=api, images=sources, owner="n-contract")
    await runtime.prepare(begun.assignment, lambda _: None)
    await runtime.start(begun.assignment)
    print("begun", flush=True)
    await runtime.wait(begun.assignment.id)


if __name__ == "__main__":
    asyncio.run(main(msgspec.msgpack.decode(Path(sys.argv[1]).read_bytes(), type=Begun)))
