"""ClusterImages: the controller's registry for this machine: names, the login of its loopback address, and what serves there."""

import socket
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from draas.agent.images.door import BUILDER, open_door
from draas.agent.images.fetch import fetch_blob
from draas.agent.images.names import cluster_name, local_name
from draas.agent.images.upstream import Controller, Upstream
from draas.lib import log
from draas.model.image_name import CLUSTER_HOST, Digest, Repository

if TYPE_CHECKING:
    from aiohttp import web


class ClusterImages:
    """`login` opens 127.0.0.1:PORT, where `serve` answers the engine; so does `builds_login`. `folder` keeps port and password.

    `listening`: a socket to answer on in place of one of its own. Raises OSError where nothing can be listened on.
    """

    def __init__(self, folder: Path, controller: Controller, listening: socket.socket | None = None) -> None:
        self._listening, self.login = open_door(folder, listening)
        self.builds_login = replace(self.login, username=BUILDER)
        self._upstream = Upstream(controller)
        self._runner: web.ServerRunner | None = None

    def local(self, image: str) -> str:
        """draas.internal/p/n@d as 127.0.0.1:PORT/p/n@d; any other name unchanged."""
        return local_name(image, self.login.host)

    def cluster(self, image: str) -> str:
        """The way back, also for tags as the engine lists them; any other name unchanged."""
        return cluster_name(image, self.login.host)

    def told(self, text: str) -> str:
        """What an engine says, in names that are the same on every node."""
        return text.replace(self.login.host, CLUSTER_HOST)

    async def serve(self) -> None:
        """Answer the engine from now on. Again changes nothing."""
        if self._runner is not None:
            return
        from aiohttp import web  # with its server 3 MB, for machines that have an engine

        from draas.agent.images.proxy import serving

        self._runner = serving(self._upstream, self.login, self.builds_login)
        await self._runner.setup()
        await web.SockSite(self._runner, self._listening).start()
        log.info("images of the cluster for the engine", address=self.login.host)

    async def fetch(self, repository: Repository, digest: Digest, to: Path) -> None:
        """A blob into the file `to`, which must not be there yet; a failure leaves none. Raises RuntimeFailure."""
        await fetch_blob(self._upstream, repository, digest, to)

    async def close(self) -> None:
        """Answer nobody any more."""
        if self._runner is not None:
            await self._runner.cleanup()
        self._listening.close()
        await self._upstream.close()
