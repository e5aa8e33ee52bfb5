"""What a failing bucket means, in one sentence with its remedy."""

import contextlib
import re
from collections.abc import Iterator

from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError

from draas.store.store import StoreFailure

NO_BUCKET = "NoSuchBucket"  # S3's own word
_CODE = re.compile(r"<Code>(\w{1,60})</Code>")
_METADATA = "169.254.16"  # where credentials are asked for that nobody gave: 169.254.169.254, 169.254.170.2


@contextlib.contextmanager
def told_bucket_failures(url: str) -> Iterator[None]:
    """Raises StoreFailure for what goes wrong inside with the bucket `url`."""
    try:
        yield
    except (BaseError, OSError) as error:
        found = _CODE.search(str(error))
        raise StoreFailure(_told(url, error, found[1] if found is not None else "")) from error


def _told(url: str, error: Exception, code: str) -> str:
    if code == NO_BUCKET:
        return f"the bucket of {url} is not there: make it, or see DRAAS_BLOBS and AWS_ENDPOINT_URL"
    if isinstance(error, (PermissionDeniedError, UnauthenticatedError)):
        told = f" ({code})" if code else ""
        return (
            f"{url} refuses these credentials{told}: see AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and what they may do"
        )
    if _METADATA in str(error):
        return f"there are no credentials for {url}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    return f"{url} cannot be reached or used now ({code or _cause(error)}): see AWS_ENDPOINT_URL and the network"


def _cause(error: Exception) -> str:
    """Its first line, which may name URLs but no credentials; the rest is the library's own structure."""
    return str(error).partition("\n")[0].strip()[:300] or type(error).__name__
