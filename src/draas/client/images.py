"""Images: whether the controller's registry has one."""

from draas.client.transport import Transport
from draas.model.image_name import parse_cluster_image


async def has_image(transport: Transport, image: str) -> bool:
    """Whether `image` (draas.internal/…) is there and may be seen; False for another registry's. Raises CannotReach, Invalid for no name."""
    named = parse_cluster_image(image)
    if named is None:
        return False
    repository, reference = named
    told = await transport.ask("HEAD", f"/v2/{repository}/manifests/{reference}", None, {})
    return told.status == 200
