"""What the API answers about images."""

from typing_extensions import TypedDict


class StoredImageView(TypedDict):
    """An image of the controller's registry. `size_bytes` is packed; layers that images share count in each.

    `platforms`: how many images an index lists, 0 for an image. `used_by` is why it stays, in words.
    """

    repository: str
    digest: str
    tags: list[str]
    size_bytes: int
    platforms: int
    pushed_at: str
    used_by: list[str]
    nodes: list[str]


class ImageList(TypedDict):
    """Images by repository, newest first."""

    items: list[StoredImageView]
    next: str | None
    total: int


class RemovalView(TypedDict):
    """Something that goes, or went: an image, a blob (a source, or of a push that broke off) or an upload. `node` null: the controller's."""

    kind: str
    node: str | None
    name: str
    tags: list[str]
    reason: str
    freed_bytes: int


class RemovalList(TypedDict):
    """What a collection deletes, in order. `on_nodes`: what nodes' agents pulled and remove by themselves, in time."""

    items: list[RemovalView]
    next: str | None
    total: int
    freed_bytes: int
    on_nodes: list[RemovalView]
