"""What the registry's folder says of the bucket that its blobs are in, so that no controller looks for them elsewhere."""

import json
from dataclasses import dataclass
from pathlib import Path

from draas.lib.durable import replace_file
from draas.model.errors import Invalid
from draas.store.registry_folder import SCRATCH

_NAME = "bucket.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketRecord:
    """`owner` is this folder's name in its bucket, by chance unlike any other's; `url` is s3://BUCKET/PREFIX."""

    owner: str
    url: str


def read_record(folder: Path) -> BucketRecord | None:
    """None where the blobs were never in a bucket. Raises OSError, and Invalid for what is no record."""
    path = folder / _NAME
    try:
        found = json.loads(path.read_bytes())
        return BucketRecord(owner=str(found["owner"]), url=str(found["url"]))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        raise Invalid(f"{path} is damaged: restore it from a backup") from None


def write_record(folder: Path, record: BucketRecord) -> None:
    """Durably. Raises OSError."""
    content = json.dumps({"owner": record.owner, "url": record.url}).encode()
    replace_file(folder / _NAME, content, folder / SCRATCH)


def check_no_bucket(folder: Path) -> None:
    """Raises Invalid where the blobs are in a bucket; OSError."""
    record = read_record(folder)
    if record is not None:
        raise Invalid(
            f"the images in {folder} have their blobs in {record.url}: set DRAAS_BLOBS={record.url}, "
            "or move them back first (docs/how-to/s3.md)"
        )
