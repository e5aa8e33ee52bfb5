"""The API over a FakeController on a loopback port, with a key of each role: what tests of API and client start from."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace

from draas.client.settings import Settings
from draas.lib import ids
from draas.model.allocation import NodeId
from draas.model.node import Facts, Node, NodeState
from draas.model.resources import MIB, Resources
from draas.server.access import make_key
from draas.server.api.app import Link, create_app
from draas.server.api.config import ApiConfig
from draas.server.registry.images import Images
from draas.server.services.images import ImageCare
from draas.server.services.own_disk import OwnDisk
from draas.store.store import Key, Role, Write
from draas.testing.fake_controller import FakeController
from draas.testing.serving import serve

ROLES: tuple[Role, ...] = ("viewer", "deployer", "admin", "node")


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """`secrets` has a key of each role, good for all projects."""

    controller: FakeController
    url: str
    secrets: Mapping[Role, str]

    def settings(self, role: Role = "admin") -> Settings:
        """For a client of this role."""
        return Settings(url=self.url, key=self.secrets[role])


@contextlib.asynccontextmanager
async def serve_api(
    config: ApiConfig | None = None,
    link: Link | None = None,
    images: Images | None = None,
    care: ImageCare | None = None,
    disk: OwnDisk | None = None,
) -> AsyncIterator[Served]:
    """Start it, stop it."""
    controller = FakeController()
    secrets = {role: await put_key(controller, role) for role in ROLES}
    async with serve(create_app(controller, config or ApiConfig(beat_s=0.1), link, images, care, disk)) as url:
        yield Served(controller=controller, url=url, secrets=secrets)


async def put_key(
    controller: FakeController, role: Role, *, project: str | None = None, ttl_s: float | None = None
) -> str:
    """A new key's secret."""
    key, secret = make_key(role, name=f"test {role}", project=project, ttl_s=ttl_s)
    if role == "node":
        key = replace(key, node_id=NodeId(ids.new("n")))
    await controller.write(Write(keys=(key,)))
    return secret


def stored_key(controller: FakeController, secret: str) -> Key:
    """What the controller keeps of it. Raises LookupError where it keeps nothing."""
    found = controller.key(ids.digest(secret))
    if found is None:
        raise LookupError("no such key")
    return found


def make_node(name: str = "node-a", *, cpu_millis: int = 4000, memory_bytes: int = 8192 * MIB) -> Node:
    """A ready machine."""
    capacity = Resources(cpu_millis=cpu_millis, memory_bytes=memory_bytes)
    return Node(
        id=NodeId(f"n-{name}"),
        name=name,
        state=NodeState.READY,
        facts=Facts(capacity=capacity, labels={"disk": "ssd"}),
        joined_at=1_000_000_000.0,
        last_seen_at=1_000_000_100.0,
    )
