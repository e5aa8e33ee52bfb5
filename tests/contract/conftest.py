"""One private Docker Engine and one server of S3 for all contract tests of a session; a registry for one test."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import uvloop
from registry_client import RegistryClient, registry

from draas.agent.runtimes.docker.api import EngineApi
from draas.agent.runtimes.docker.sample_image import load_sample_image
from draas.model.bucket import Bucket
from draas.testing.engine import PrivateEngine
from draas.testing.s3_server import BUCKET, S3Relay, S3Server, s3_relay, s3_server


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


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """Tests that kill it start one of their own."""
    with s3_server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
async def relay(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[S3Relay]:
    """The way to `s3` that this process's environment names."""
    async with s3_relay(s3) as started:
        for name, value in started.environ.items():
            monkeypatch.setenv(name, value)
        yield started


@pytest.fixture(params=["files", "s3"])
def bucket(request: pytest.FixtureRequest, relay: S3Relay, tmp_path: Path) -> Bucket | None:
    """Where blobs are: None is in the data folder."""
    return Bucket(name=BUCKET, prefix=tmp_path.name) if request.param == "s3" else None


@pytest.fixture
async def client(tmp_path: Path, bucket: Bucket | None) -> AsyncIterator[RegistryClient]:
    async with registry(tmp_path / "registry", bucket=bucket) as started:
        yield started
