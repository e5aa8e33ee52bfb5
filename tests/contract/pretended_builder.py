"""A pretended builder: builds whatever is asked of the controller's API, in no time."""

import asyncio

from registry_client import RegistryClient

from draas.model.build import Built
from draas.model.job import JobId
from draas.testing.api import make_node
from draas.wire.records import Stream


class Builder:
    """Builds whatever is asked for while the block runs: an image, or where `exit_code` is set a failure."""

    def __init__(self, images: RegistryClient) -> None:
        self._images = images
        self.port: int | None = 8000
        self.exit_code = 0
        self.built: list[JobId] = []
        self._task: asyncio.Future[None] | None = None

    async def __aenter__(self) -> "Builder":
        self._task = asyncio.ensure_future(self._work())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _work(self) -> None:
        controller = self._images.served.controller
        async for event in controller.follow_events(0):
            if event.event.kind != "build.queued":
                continue
            id = JobId(event.event.subject)
            self.built.append(id)
            attempt = await controller.start(id, make_node())
            await controller.logs.write(attempt, b"Step 1/2 : FROM python\n", Stream.STDOUT)
            await controller.logs.write(attempt, b"Step 2/2 : RUN make\nmake: *** no rule\n", Stream.STDERR)
            spec = (await controller.job(id)).spec.build
            assert spec is not None
            digest = await self._images.push_image("v1", spec.repository, annotations={"n": str(len(self.built))})
            image = f"draas.internal/{spec.repository}@{digest}"
            made = Built(image=image, platform="linux/amd64", size_bytes=5 * 1024**2, kind="Python", port=self.port)
            await controller.finish(id, self.exit_code, built=made if self.exit_code == 0 else None)
