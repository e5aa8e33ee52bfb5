"""One private Docker Engine for all contract tests of a session."""

import asyncio
from collections.abc import Iterator

import pytest
import uvloop

from draas.agent.runtimes.docker.api import EngineApi
from draas.agent.runtimes.docker.sample_image import load_sample_image
from draas.testing.engine import PrivateEngine


@pytest.fixture(scope="session")
def event_loop_policy() -> asyncio.AbstractEventLoopPolicy:
    """The loop that controller and agent run on."""
    return uvloop.EventLoopPolicy()


async def _load(url: str) -> None:
    api = EngineApi(url)
    await load_sample_image(api)
    await api.close()


@pytest.fixture(scope="session")
def docker_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateEngine]:
    """An engine that has the sample image. Tests that kill it start one of their own."""
    private = PrivateEngine(tmp_path_factory.mktemp("engine"))
    try:
        private.start()
        asyncio.run(_load(private.url))
        yield private
    finally:
        private.close()
