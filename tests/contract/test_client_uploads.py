"""A large source on its way to a real controller: resumed after cuts and a kill -9, with flat memory on both sides."""

import hashlib
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
from registry_client import RegistryClient, digest_of, registry

from draas.client import uploads
from draas.client.api import Client
from draas.client.settings import Settings
from draas.client.uploads import CHUNK_BYTES
from draas.model.errors import Conflict, Forbidden
from draas.testing.cut_wire import CutWire
from draas.testing.waiting import wait_for

ADMIN = "admin-key-for-this-test-0123456789"
LARGE = 300 * 1024 * 1024
REPOSITORY = "default/shop"


@pytest.fixture
async def images(tmp_path: Path) -> AsyncIterator[RegistryClient]:
    async with registry(tmp_path / "registry") as opened:
        yield opened


def nobody(_sent: int, _size: int) -> None:
    """Not told."""


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES, 2 * CHUNK_BYTES + 1])
async def test_a_file_becomes_a_blob(images: RegistryClient, tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    file = tmp_path / "source"
    file.write_bytes(content)
    told: list[tuple[int, int]] = []
    async with Client(images.served.settings()) as client:
        digest = await client.builds.upload(REPOSITORY, file, lambda *so_far: told.append(so_far))
        assert digest == digest_of(content)
        assert told[-1] == (size, size)
        assert [sent for sent, _ in told] == sorted(sent for sent, _ in told)
        assert (await images.ask("GET", f"/v2/{REPOSITORY}/blobs/{digest}")).body == content
        before = images.files()
        told.clear()
        assert await client.builds.upload(REPOSITORY, file, lambda *so_far: told.append(so_far)) == digest
        assert told == [(size, size)]
        assert images.files() == before, "what is there is not sent again"


async def test_whose_key_may_not_is_told_so(images: RegistryClient, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"x")
    async with Client(images.served.settings("viewer"), patience_s=0) as client:
        with pytest.raises(Forbidden, match="deployer"):
            await client.builds.upload(REPOSITORY, tmp_path / "source", nobody)


async def test_a_file_that_changes_on_its_way_is_no_source(
    images: RegistryClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "CHUNK_BYTES", 1000)
    file = tmp_path / "source"
    file.write_bytes(b"x" * 3000)
    async with Client(images.served.settings(), patience_s=0) as client:
        with pytest.raises(Conflict, match="has changed"):
            await client.builds.upload(REPOSITORY, file, lambda sent, _: sent == 1000 and file.write_bytes(b"y" * 3000))
    assert images.files() == []


async def test_a_controller_that_is_away_is_not_waited_for_without_end(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"x")
    with socket.create_server(("127.0.0.1", 0)) as free:
        settings = Settings(url=f"http://127.0.0.1:{free.getsockname()[1]}", key="k")
    async with Client(settings, patience_s=0.2) as client:
        with pytest.raises(Exception, match=r"127\.0\.0\.1"):
            await client.builds.upload(REPOSITORY, tmp_path / "source", nobody)


class Server:
    """`draas server` as a process."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder, self._port = folder, port
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        environ = {name: value for name, value in os.environ.items() if not name.startswith("DRAAS_")}
        environ |= {"HOME": str(self._folder), "DRAAS_ADMIN_KEY": ADMIN}
        words = ("server", "--listen", f"127.0.0.1:{self._port}", "--data-dir", str(self._folder / "data"))
        log = (self._folder / "log").open("ab")
        with log:
            self.process = subprocess.Popen(
                (sys.executable, "-m", "draas", *words), env=environ, stdout=log, stderr=log
            )
        wait_for(self._listens, bool, "the controller listens")
        return self.process

    def _listens(self) -> bool:
        assert self.process.poll() is None, (self._folder / "log").read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._port)) == 0

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def server(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    started = Server(tmp_path, port)
    yield started, port
    started.process.send_signal(signal.SIGTERM)
    started.process.wait(30)


async def test_a_large_upload_survives_cuts_and_a_killed_controller(server: tuple[Server, int], tmp_path: Path) -> None:
    running, port = server
    file = tmp_path / "source"
    with file.open("wb") as out:
        for _ in range(LARGE // (1024 * 1024)):
            out.write(os.urandom(1024 * 1024))
    wire = CutWire(port, cut_every=70 * 1024 * 1024)
    killed: list[int] = []
    sizes: dict[str, int] = {"client": 0, "server": 0}
    me, base = psutil.Process(), psutil.Process().memory_info().rss
    first = psutil.Process(running.process.pid).memory_info().rss

    def progress(sent: int, size: int) -> None:
        assert size == LARGE
        sizes["client"] = max(sizes["client"], me.memory_info().rss - base)
        sizes["server"] = max(sizes["server"], psutil.Process(running.process.pid).memory_info().rss - first)
        if sent > LARGE // 2 and not killed:
            killed.append(sent)
            running.kill()
            running.start()

    async with (
        wire.listening() as outer,
        Client(Settings(url=f"http://127.0.0.1:{outer}", key=ADMIN), patience_s=60) as client,
    ):
        digest = await client.builds.upload(REPOSITORY, file, progress)
        with file.open("rb") as opened:
            assert digest == f"sha256:{hashlib.file_digest(opened, 'sha256').hexdigest()}"
        build = await client.builds.create({"name": "shop", "source": digest})
        assert build["source"] == {"digest": digest}
    assert killed
    assert wire.cuts >= 3
    assert max(sizes.values()) < 120 * 1024 * 1024, sizes
    blobs = [path for path in (tmp_path / "data").rglob("*") if path.is_file() and path.stat().st_size > 1024 * 1024]
    assert [path.stat().st_size for path in blobs if re.fullmatch("[0-9a-f]{64}", path.name)] == [LARGE]
    assert [path for path in blobs if "_uploads" in path.parts] == []
