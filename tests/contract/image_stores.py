"""The stores of images over a folder and perhaps a bucket; imports little, as programs that are started often use it."""

import os
from pathlib import Path

from draas.model.bucket import Bucket
from draas.server.registry.images import Images
from draas.store.blob_files import BlobFiles
from draas.store.manifest_files import ManifestFiles


def images_in(folder: Path, bucket: Bucket | None = None) -> Images:
    """Blobs are in `bucket`, where there is one, which the process's environment leads to."""
    if bucket is None:
        return Images(blobs=BlobFiles(folder), manifests=ManifestFiles(folder))
    from draas.store.blob_bucket import BlobBucket
    from draas.store.bucket import open_bucket

    blobs = BlobBucket(folder, open_bucket(bucket, os.environ), bucket.url)
    return Images(blobs=blobs, manifests=ManifestFiles(folder))
