"""Site: a controller's registry for agents, that can be stopped, started again and held in the middle of a body."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from registry_client import images_in

from draas.agent.images.cluster_images import ClusterImages
from draas.agent.images.upstream import Controller
from draas.lib import ids
from draas.model.build import BuildSpec
from draas.model.command import SubmitJobs
from draas.model.image_name import Repository
from draas.model.job import JobId, JobSpec, ProjectName, RuntimeName
from draas.server.access import make_key
from draas.server.api.app import create_app
from draas.server.api.config import ApiConfig
from draas.server.services.controller import Reply
from draas.store.store import Write
from draas.testing.api import make_node
from draas.testing.engine import PrivateEngine
from draas.testing.fake_controller import FakeController
from draas.testing.serving import serve

Message = MutableMapping[str, Any]


class Hold:
    """Stops a request where its body begins to flow: `reached` says so, `go_on` lets it."""

    def __init__(self, method: str) -> None:
        self.method = method
        self.reached = asyncio.Event()
        self.go_on = asyncio.Event()
        self.moved_bytes = 0

    async def at(self, size: int) -> None:
        self.moved_bytes += size
        if self.moved_bytes > 0:
            self.reached.set()
            await self.go_on.wait()


class Site:
    """`asked` are the requests that reached the controller; `hold` the one thing that is being held."""

    def __init__(self, folder: Path) -> None:
        self.controller = FakeController()
        self.folder = folder
        self.asked: list[str] = []
        self.hold: Hold | None = None
        self.url = ""
        self.tokens: dict[str, str] = {}
        self._open = contextlib.AsyncExitStack()

    async def start(self) -> None:
        """On the same port as before, where there was one."""
        images = images_in(self.folder)
        app = create_app(self.controller, ApiConfig(), images=images)
        self._open.push_async_callback(images.manifests.close)
        self._open.push_async_callback(images.blobs.close)
        port = int(self.url.rpartition(":")[2]) if self.url else 0
        self.url = await self._open.enter_async_context(serve(self._seen(app), port=port))

    async def stop(self) -> None:
        """What is under way is cut."""
        await self._open.aclose()
        self._open = contextlib.AsyncExitStack()

    def _seen(self, app: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        async def wrapped(scope: Message, receive: Callable[[], Awaitable[Message]], send: Any) -> None:
            target = scope["raw_path"].decode() + (
                "?" + scope["query_string"].decode() if scope["query_string"] else ""
            )
            self.asked.append(f"{scope['method']} {target}")
            hold = self.hold if self.hold is not None and self.hold.method == scope["method"] else None

            async def receiving() -> Message:
                message = await receive()
                if hold is not None and scope["method"] != "GET":
                    await hold.at(len(message.get("body", b"")))
                return message

            async def sending(message: Message) -> None:
                await send(message)
                if hold is not None and "/blobs/" in target and scope["method"] == "GET":
                    await hold.at(len(message.get("body", b"")))

            await app(scope, receiving, sending)

        return wrapped

    # --- nodes, and what is placed on them ---

    async def node(self, name: str) -> Controller:
        """A new node's way to the controller."""
        node = make_node(name)
        key, secret = make_key("node", name=name)
        await self.controller.put_node(node)
        await self.controller.write(Write(keys=(replace(key, node_id=node.id),)))
        self.tokens[name] = secret
        return Controller(url=self.url, key=secret, tls=None)

    async def builds(self, name: str, repository: str) -> JobId:
        """A build that makes images of `repository` runs on the node."""
        spec = JobSpec(command=(), runtime=RuntimeName.BUILD, build=BuildSpec(repository=Repository(repository)))
        return await self._runs(name, spec, repository.partition("/")[0])

    async def runs(self, name: str, image: str, project: str = "p") -> JobId:
        """A job of `image` runs on the node."""
        return await self._runs(name, JobSpec(command="true", image=image), project)

    async def _runs(self, name: str, spec: JobSpec, project: str) -> JobId:
        id = JobId(ids.new("j"))
        await self.controller.command(
            SubmitJobs(project=ProjectName(project), ids=(id,), specs=(spec,), known={}),
            lambda _jobs, _nodes: Reply(200, b""),
        )
        await self.controller.start(id, await self.controller.node(name))
        return id


@contextlib.asynccontextmanager
async def image_site(folder: Path) -> AsyncIterator[Site]:
    """A site that runs, as long as the block is open."""
    site = Site(folder)
    await site.start()
    try:
        yield site
    finally:
        await site.stop()


@contextlib.asynccontextmanager
async def cluster_images(
    folder: Path, controller: Controller, engine: PrivateEngine | None = None
) -> AsyncIterator[ClusterImages]:
    """Served, as an agent would; on the loopback address of `engine` where one is given."""
    made = ClusterImages(folder, controller, engine.listen() if engine is not None else None)
    await made.serve()
    try:
        yield made
    finally:
        await made.close()
