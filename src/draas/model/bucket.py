"""Bucket: a place in an S3-compatible store, and how it is written."""

import re
from dataclasses import dataclass

from draas.model.errors import Invalid

# What S3 itself takes as the name of a bucket, and the characters of keys that no client has to quote.
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX = re.compile(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*")
_SCHEME = "s3://"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """All keys begin with `prefix`, which is empty or has neither first nor last /."""

    name: str
    prefix: str = ""

    @property
    def url(self) -> str:
        return f"{_SCHEME}{self.name}{'/' if self.prefix else ''}{self.prefix}"


def parse_bucket(text: str) -> Bucket:
    """s3://BUCKET or s3://BUCKET/PREFIX. Raises Invalid."""
    name, _, prefix = text.removeprefix(_SCHEME).partition("/")
    prefix = prefix.removesuffix("/")
    if not text.startswith(_SCHEME) or not _NAME.fullmatch(name):
        raise Invalid(f"must be files or s3://BUCKET/PREFIX, not {text[:100]!r}")
    if prefix and (not _PREFIX.fullmatch(prefix) or {".", ".."} & set(prefix.split("/"))):
        raise Invalid(f"has the prefix {prefix[:100]!r}: letters, digits and . _ - between single / only")
    return Bucket(name=name, prefix=prefix)
