"""ImageCalls: every route of images as a typed method of the client. Answers are the plain dictionaries of draas.wire.image_views."""

from typing import cast
from urllib.parse import quote

from draas.client.apps import given
from draas.client.transport import Transport
from draas.model.image_name import parse_cluster_image
from draas.wire.image_views import ImageList, RemovalList

PRUNE_S = 600.0  # thousands of blobs on a slow disk


class ImageCalls:
    """What a Client can do with images. Methods raise DraasError."""

    transport: Transport

    async def images(self, repository: str | None = None) -> ImageList:
        """The registry's images, or one repository's."""
        return cast(ImageList, await self.transport.call("GET", "/api/images", query=given(repository=repository)))

    async def plan_prune(self) -> RemovalList:
        """What `prune_images` would delete."""
        return cast(RemovalList, await self.transport.call("GET", "/api/images/plan"))

    async def prune_images(self) -> RemovalList:
        """Delete what nothing uses and no tag names; what went."""
        return cast(RemovalList, await self.transport.call("POST", "/api/images/prune", timeout_s=PRUNE_S))

    async def remove_image(self, name: str) -> ImageList:
        """Delete PROJECT/NAME, PROJECT/NAME:TAG or PROJECT/NAME@DIGEST; what that was."""
        return cast(ImageList, await self.transport.call("DELETE", f"/api/images/{quote(name, safe='/:@')}"))

    async def has_image(self, image: str) -> bool:
        """Whether draas.internal/PROJECT/NAME@DIGEST is there; False for another registry's. Raises CannotReach, Invalid for no name."""
        named = parse_cluster_image(image)
        if named is None:
            return False
        repository, reference = named
        told = await self.transport.ask("HEAD", f"/v2/{repository}/manifests/{reference}", None, {})
        return told.status == 200
