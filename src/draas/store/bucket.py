"""Opening a bucket by the variables that all clients of S3 know."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from obstore.store import S3Store

from draas.model.bucket import Bucket
from draas.store.bucket_failures import told_bucket_failures

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

TIMEOUT = timedelta(minutes=5)  # of one request, which carries some megabytes at most
SILENCE = timedelta(seconds=60)
CONNECT = timedelta(seconds=5)
RETRY: "RetryConfig" = {"max_retries": 4, "retry_timeout": timedelta(seconds=10)}


def open_bucket(bucket: Bucket, environ: Mapping[str, str]) -> S3Store:
    """The bucket, as AWS_ACCESS_KEY_ID and the other variables of the process say; nothing is asked yet.

    Of `environ` are the endpoint (AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL) and AWS_CA_BUNDLE. Raises StoreFailure.
    """
    endpoint = endpoint_of(environ)
    client: ClientConfig = {"timeout": TIMEOUT, "read_timeout": SILENCE, "connect_timeout": CONNECT}
    client["allow_http"] = endpoint is not None and endpoint.startswith("http://")
    with told_bucket_failures(bucket.url):
        if authority := environ.get("AWS_CA_BUNDLE"):
            client["root_certificate"] = Path(authority).read_bytes()
        own = {"endpoint": endpoint} if endpoint is not None else {}
        return S3Store(
            bucket.name,
            prefix=bucket.prefix or None,
            client_options=client,
            retry_config=RETRY,
            disable_bulk_delete=True,  # one at a time is all we do, and every server can
            **own,  # type: ignore[arg-type]  # the endpoint, or nothing for Amazon's own
        )


def endpoint_of(environ: Mapping[str, str]) -> str | None:
    """The store's URL; None is Amazon's own."""
    return environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL") or None
