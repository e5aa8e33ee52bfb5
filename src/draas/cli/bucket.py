"""Where blobs are kept, as the environment and the file say it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

FILES = "files"
_PAIR = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


def read_bucket(file: Mapping[str, Any], environ: Mapping[str, str]) -> Any:
    """The Bucket, None for files. Raises click.UsageError."""
    from urllib.parse import urlsplit

    from draas.model.bucket import parse_bucket
    from draas.model.errors import Invalid

    wanted = environ.get("DRAAS_BLOBS") or file.get("blobs", FILES)
    if wanted == FILES:
        return None
    try:
        bucket = parse_bucket(str(wanted))
    except Invalid as error:
        raise click.UsageError(f"DRAAS_BLOBS {error.detail}") from None
    missing = [name for name in _PAIR if not environ.get(name)]
    if len(missing) == 1:
        raise click.UsageError(f"{' and '.join(_PAIR)} belong together: set {missing[0]} as well")
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"):
        if value := environ.get(name):
            url = urlsplit(value)
            if url.scheme not in ("http", "https") or not url.hostname or url.query or url.fragment:
                raise click.UsageError(f"{name} must be a URL such as https://s3.example.org, not {value!r}")
    authority = environ.get("AWS_CA_BUNDLE")
    if authority and not Path(authority).is_file():
        raise click.UsageError(f"AWS_CA_BUNDLE must be a file of certificates (PEM); there is none at {authority!r}")
    return bucket
