"""Pretended images: what a container of a pretended app does follows from its image's name, `ok:1`, `sick:2`, `crash:1` or `missing:1`."""

from enum import StrEnum


class Behaviour(StrEnum):
    OK = "ok"  # gets healthy
    SICK = "sick"  # runs and never gets healthy
    CRASH = "crash"  # exits at once
    MISSING = "missing"  # cannot be pulled


def behaviour_of(image: str | None) -> Behaviour:
    """What a container of `image`, pinned or not, does."""
    return Behaviour((image or "").partition(":")[0])


def pin(image: str | None, digest: int = 1) -> str:
    """`image` as it is resolved while its tag stands for `digest`. What is pinned already stays what it is."""
    name = image or ""
    return name if "@" in name else f"{name}@sha256:{digest}"
