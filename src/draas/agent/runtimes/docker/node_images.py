"""NodeImages: the images of one engine, under the names that the cluster has for them, and having one here for an allocation."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from draas.agent.images.cluster_images import ClusterImages
from draas.agent.images.names import is_cluster_image
from draas.agent.runtimes.docker import images
from draas.agent.runtimes.docker.api import EngineApi, EngineAway, EngineError
from draas.agent.runtimes.docker.patience import Patience
from draas.agent.runtimes.docker.pause_image import PAUSE_IMAGE
from draas.agent.runtimes.docker.pins import inspect_image, is_id, pin_image
from draas.agent.runtimes.docker.pull import pull
from draas.agent.runtimes.docker.registry_auth import login_for
from draas.agent.runtimes.docker.seen_images import SeenImages
from draas.agent.runtimes.runtime import RuntimeFailure, unheard
from draas.lib import clock, log
from draas.model.allocation import AllocationId, Cause
from draas.model.login import Login
from draas.model.node import Image
from draas.model.registry import registry_of
from draas.wire.link import Assignment

LISTED_S = 5.0  # how old a list may be


class NodeImages:
    """`cluster` is None where this node's engine cannot reach its agent: images of the controller's registry are refused then."""

    def __init__(self, api: EngineApi, patience: Patience, default_image: str, cluster: ClusterImages | None) -> None:
        self._api = api
        self._patience = patience
        self._default_image = default_image
        self._cluster = cluster
        self._seen = SeenImages()
        self._listed: tuple[Image, ...] = ()
        self._listed_until = 0.0
        self._pins: dict[AllocationId, str] = {}  # what a replica's image is exactly, from its prepare to its end

    def name_of(self, assignment: Assignment) -> str:
        """As the cluster calls it."""
        return assignment.image or self._default_image

    async def listed(self) -> tuple[Image, ...]:
        """All that are here, at most some seconds old; the last known where the engine does not answer."""
        if clock.monotonic() >= self._listed_until:
            try:
                listed = await self._api.call("GET", "images/json")
            except (EngineAway, EngineError):
                return self._listed
            self._listed = tuple(
                Image(id=item["Id"], tags=tuple(sorted(tags)), size_bytes=item["Size"])
                for item in sorted(listed, key=lambda item: str(item["Id"]))
                if PAUSE_IMAGE not in (tags := self._names(item))
            )
            self._listed_until = clock.monotonic() + LISTED_S
        return self._listed

    def _names(self, item: dict[str, Any]) -> list[str]:
        """Its names, by tag and by digest: what a replica's image is pinned to is known here by its digest alone."""
        names = (name for key in ("RepoTags", "RepoDigests") for name in item.get(key) or ())
        return [
            self._cluster.cluster(name) if self._cluster is not None else name
            for name in names
            if not name.startswith("<none>")
        ]

    async def prepare(
        self, assignment: Assignment, machine: str, progress: Callable[[str], None], pinned: Callable[[str], None]
    ) -> None:
        """Have its image here, for a machine of the architecture `machine`. Raises RuntimeFailure."""
        image = self.name_of(assignment)
        with self._in_cluster_names():
            if assignment.service is not None or is_id(image):
                arch = await self._pin(assignment, progress, pinned)
            elif (seen := self._seen.arch(image)) is not None:
                arch = seen
            else:
                arch = await self._fetch(assignment, progress)
            images.check_arch(image, arch, machine)

    async def exact(self, assignment: Assignment) -> str:
        """What a container of it is made of, in the engine's own names; found out again where an agent before this one had prepared it."""
        if assignment.service is not None and assignment.id not in self._pins:
            with self._in_cluster_names():
                await self._pin(assignment, unheard, unheard)
        return self._pins.get(assignment.id) or self._local(self.name_of(assignment))

    async def again(self, assignment: Assignment) -> bool:
        """Where its image was believed to be here and is not: have it here. False where it was not believed to be."""
        image = self.name_of(assignment)
        if not self._seen.forget(image):
            return False
        with self._in_cluster_names():
            await self._fetch(assignment, unheard)
        self._seen.forget(image)  # if it is not this that is missing, the next try says so
        return True

    def forget(self, id: AllocationId) -> None:
        """The allocation is over."""
        self._pins.pop(id, None)

    def told(self, failure: RuntimeFailure) -> RuntimeFailure:
        """`failure` in names that are the same on every node."""
        return RuntimeFailure(failure.cause, self._cluster.told(failure.detail)) if self._cluster else failure

    async def _fetch(self, assignment: Assignment, progress: Callable[[str], None]) -> str:
        """Have the image here; the architecture that it is built for ("" where it does not say)."""
        image = self.name_of(assignment)
        local, login = self._local(image), self._login(assignment)
        images.check_reference(local)
        info = await self._patience(lambda: inspect_image(self._api, local))
        if info is None or _moves(image):
            info = await self._pull(local, progress, login, info, _remedy(image, login))
        arch = str(info.get("Architecture", ""))
        self._seen.remember(image, arch)
        return arch

    async def _pull(
        self,
        local: str,
        progress: Callable[[str], None],
        login: Login | None,
        had: dict[str, Any] | None,
        remedy: str,
    ) -> dict[str, Any]:
        """What the engine says of it. One that was here already will do where its registry does not give it now."""
        try:
            await pull(self._api, local, progress, login, remedy)
        except RuntimeFailure as failure:
            if had is None:
                raise
            log.warning("an image cannot be looked for anew; the one here is used", reason=failure.detail)
            return had
        self._listed_until = 0.0
        info = await self._patience(lambda: inspect_image(self._api, local))
        if info is None:
            raise RuntimeFailure(
                Cause.IMAGE, f"image {local!r} was pulled and is gone again: does something prune images?"
            )
        return info

    async def _pin(self, assignment: Assignment, progress: Callable[[str], None], pinned: Callable[[str], None]) -> str:
        image, cluster = self.name_of(assignment), self._cluster
        local, login = self._local(image), self._login(assignment)

        def tell(pin: str) -> None:
            pinned(cluster.cluster(pin) if cluster is not None else pin)

        self._pins[assignment.id], info = await self._patience(
            lambda: pin_image(
                self._api, local, progress, tell, login, newest=_moves(image), remedy=_remedy(image, login)
            )
        )
        self._listed_until = 0.0
        return str(info.get("Architecture", ""))

    def _local(self, image: str) -> str:
        if self._cluster is not None:
            return self._cluster.local(image)
        if is_cluster_image(image):
            raise RuntimeFailure(
                Cause.IMAGE,
                f"image {image!r} is in the controller's registry, which this node's engine, on another machine, cannot "
                "reach: run the agent where its engine is",
            )
        return image

    def _login(self, assignment: Assignment) -> Login | None:
        image = self.name_of(assignment)
        if is_cluster_image(image):
            return self._cluster.login if self._cluster is not None else None
        return login_for(registry_of(image), assignment.logins)

    @contextmanager
    def _in_cluster_names(self) -> Iterator[None]:
        try:
            yield
        except RuntimeFailure as failure:
            raise self.told(failure) from failure


def _remedy(image: str, login: Login | None) -> str:
    """The controller's own registry is opened by the agent; no login of a project would help."""
    return "" if is_cluster_image(image) else images.login_remedy(image, login)


def _moves(image: str) -> bool:
    """Whether it is named by a tag of the controller's registry, where looking for it anew costs little: builds move tags."""
    return is_cluster_image(image) and "@" not in image
