"""Images: the two stores that together are the registry."""

from dataclasses import dataclass

from draas.store.blobs import BlobStore
from draas.store.manifests import ManifestStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """Where images are kept."""

    blobs: BlobStore
    manifests: ManifestStore
