"""ImageRoom: the images of one engine as the agent's core judges them, and removing what it says."""

from collections.abc import Callable
from typing import Any

from draas.agent.core.images import ImageRemoval, Present
from draas.agent.runtimes.docker.api import EngineApi, EngineAway, EngineError
from draas.lib import log
from draas.model.image_name import image_key


class ImageRoom:
    """`cluster_name` is how the cluster calls what the engine calls so. Raises EngineAway, EngineError where it cannot look."""

    def __init__(self, api: EngineApi, cluster_name: Callable[[str], str]) -> None:
        self._api = api
        self._cluster_name = cluster_name

    async def present(self) -> list[Present]:
        """All images that have a name, or none any more; not the layers between."""
        return [self._present(item) for item in await self._api.call("GET", "images/json")]

    async def in_use(self) -> set[str]:
        """Ids of the images of all containers, whoever made them and whether they run; and names that are being pulled."""
        containers = await self._api.call("GET", "containers/json", all=1)
        pulled = self._api.ledger.pulling if self._api.ledger is not None else ()
        return {str(item["ImageID"]) for item in containers} | {image_key(self._cluster_name(name)) for name in pulled}

    async def remove(self, removal: ImageRemoval) -> bool:
        """Never by force: the engine refuses what a container has. Whether it is gone."""
        image = removal.image
        tags = [name for name in image.names if "@" not in name]
        try:
            for name in tags or [image.id]:
                await self._api.call("DELETE", f"images/{name}", noprune=1)
        except EngineError as error:
            if error.status == 404:
                return True
            log.info("an image stays", image=image.names or image.id, reason=error.message)
            return False
        except EngineAway as away:
            log.info("an image stays", image=image.names or image.id, reason=away.detail)
            return False
        log.info("an image is removed", image=image.names or image.id, reason=removal.reason)
        return True

    def _present(self, item: dict[str, Any]) -> Present:
        names = tuple(
            name for key in ("RepoTags", "RepoDigests") for name in item.get(key) or () if not name.startswith("<none>")
        )
        known_as = tuple(image_key(self._cluster_name(name)) for name in names)
        return Present(id=str(item["Id"]), names=names, known_as=known_as, size_bytes=int(item["Size"]))
