"""Which nodes have which images, by any of an image's names."""

from collections.abc import Iterable, Iterator, Mapping

from draas.model.allocation import NodeId
from draas.model.image_name import image_key
from draas.model.node import Image


class Images:
    """An index from an image's name (a tag in its one spelling, or an id) to its holders and its size."""

    def __init__(self) -> None:
        self._holders: dict[str, dict[NodeId, int]] = {}

    def replace(self, node_id: NodeId, before: Iterable[Image], after: Iterable[Image]) -> None:
        """The node had `before` and has `after` now."""
        for name, _ in _names(before):
            holders = self._holders.get(name)
            if holders is not None:
                holders.pop(node_id, None)
                if not holders:
                    del self._holders[name]
        for name, size_bytes in _names(after):
            self._holders.setdefault(name, {})[node_id] = size_bytes

    def holders(self, image: str) -> Mapping[NodeId, int]:
        """The nodes that have it, and how large it is there in bytes."""
        return self._holders.get(image, {})


def _names(images: Iterable[Image]) -> Iterator[tuple[str, int]]:
    for image in images:
        yield image.id, image.size_bytes
        for tag in image.tags:
            yield image_key(tag), image.size_bytes
