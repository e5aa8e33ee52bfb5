"""The controller with too little room: what is refused, what goes on, and how there is room again."""

import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from collection_world import DAY, World, age
from registry_client import RegistryClient, digest_of, registry

from draas.client.api import Client
from draas.lib.disk import Disk, disk_of
from draas.model.errors import DraasError
from draas.model.node import Load
from draas.server.loops.disks import Disks
from draas.server.registry.images import Images
from draas.server.services.images import ImageCare
from draas.server.services.own_disk import OwnDisk
from draas.testing.api import Served, serve_api
from draas.testing.builders import a_node

MIB = 1024 * 1024


class Measured:
    """A disk that is as full as the test says."""

    def __init__(self) -> None:
        self.percent = 50

    def disk(self, _folder: Path) -> Disk:
        return Disk(used_bytes=self.percent, total_bytes=100)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Measured:
    monkeypatch.setattr("draas.server.services.own_disk.MEASURED_S", 0.0)
    return Measured()


@pytest.fixture
async def served(measured: Measured, tmp_path: Path) -> AsyncIterator[Served]:
    async with serve_api(disk=OwnDisk(tmp_path, measured.disk)) as started:
        yield started


async def test_at_95_percent_new_work_in_bulk_is_refused_and_the_rest_goes_on(
    served: Served, measured: Measured
) -> None:
    async with Client(served.settings()) as client:
        before = await client.submit({"command": "true"})
        measured.percent = 94
        await client.submit_batch([{"command": "true"}])
        measured.percent = 95
        with pytest.raises(DraasError, match=r"95 % full.*draas images prune") as told:
            await client.submit_batch([{"command": "true"}])
        assert not told.value.retryable
        with pytest.raises(DraasError, match="takes builds no more"):
            await client.transport.call("POST", "/api/builds", {"name": "shop", "git": "https://example.org/shop.git"})
        after = await client.submit({"command": "true"})
        assert (await client.cancel(before["id"]))["state"] == "cancelled"
        assert (await client.job(after["id"]))["state"] == "queued"
        measured.percent = 50
        assert (await client.submit_batch([{"command": "true"}]))["jobs"]


async def test_the_warning_is_in_the_list_of_nodes_and_the_figures(served: Served, measured: Measured) -> None:
    node = a_node("alpha", load=Load(disk_used_bytes=85, disk_total_bytes=100))
    await served.controller.put_node(node)
    async with Client(served.settings()) as client:
        told = await client.nodes()
        assert told["warnings"] == []
        assert [one["warnings"] for one in told["items"] if one["name"] == "alpha"] == [
            [
                "its disk is 85 % full (from 95 % on it gets no new work): unneeded images go by themselves; remove other files there"
            ]
        ]
        measured.percent = 83
        assert (await client.nodes())["warnings"][0].startswith("its disk is 83 % full")
        assert "draas_controller_disk_used_bytes 83.0" in await client.metrics()


async def test_one_event_for_each_disk_that_fills(measured: Measured, tmp_path: Path) -> None:
    events = []

    async def note(some):
        events.extend(some)

    nodes = [a_node("alpha", load=Load(disk_used_bytes=96, disk_total_bytes=100))]
    disks = Disks(OwnDisk(tmp_path, measured.disk), lambda: nodes, note)
    for percent in (50, 81, 79, 82, 60):
        measured.percent = percent
        await disks.look()
    assert [(event.kind, event.subject) for event in events] == [
        ("disk.full", "n-alpha"),
        ("disk.filling", "controller"),
        ("disk.freed", "controller"),
    ]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 40 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", folder], check=True, timeout=20)
    yield folder
    subprocess.run(["umount", "-l", folder], check=True, timeout=20)


@pytest.mark.needs("root")
async def test_uploads_stop_before_the_disk_is_full_and_pruning_makes_room(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("draas.server.services.own_disk.MEASURED_S", 0.0)
    folder, worlds = small_disk / "registry", list[World]()

    def care(images: Images) -> ImageCare:
        worlds.append(World(images, folder))
        return worlds[0].care

    async with registry(folder, care, OwnDisk(small_disk)) as client:
        tag = await client.push_image("v1")
        location = await client.begin()
        for number in range(20):
            if disk_of(small_disk).share >= 0.95:
                break
            await client.push(bytes([number]) * 2 * MIB)
        assert 0.95 <= disk_of(small_disk).share < 1
        await check_refused(client, location)
        assert (await client.ask("GET", "/v2/p/web/manifests/v1")).headers["Docker-Content-Digest"] == tag
        ended = await client.ask("PUT", f"{location}?digest={digest_of(b'')}", b"")
        assert ended.status == 201, "the end of an upload whose bytes are here takes no room"
        age(folder, 2 * DAY)
        async with Client(client.served.settings()) as api:
            assert (await api.plan_prune())["freed_bytes"] > 30 * MIB
            await api.prune_images()
        assert disk_of(small_disk).share < 0.2
        await client.push(b"x" * MIB)
        assert (await client.ask("HEAD", f"/v2/p/web/manifests/{tag}")).status == 200


async def check_refused(client: RegistryClient, location: str) -> None:
    for method, path in (
        ("POST", "/v2/p/web/blobs/uploads/"),
        ("PATCH", location),
        ("PUT", f"{location}?digest={digest_of(b'more')}"),
    ):
        told = await client.ask(method, path, b"more")
        assert (told.status, told.code) == (507, "UNAVAILABLE"), path
        assert "draas images prune" in told.message
