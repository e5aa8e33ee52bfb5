"""Architectures by Docker's names, and which machine runs images of which. Pure."""

from collections.abc import Iterable

_ALSO_RUNS = {"amd64": "386", "arm64": "arm"}  # by themselves, without an emulator


def runs(machine: str, built_for: str) -> bool:
    """Whether a machine of the architecture `machine` runs what is built for `built_for`. "": the image does not say."""
    return not built_for or built_for in (machine, _ALSO_RUNS.get(machine))


def runs_any(machine: str, built_for: Iterable[str]) -> bool:
    """Whether it runs an image that is there for each of `built_for`; none: that is not known."""
    known = tuple(built_for)
    return not known or any(runs(machine, one) for one in known)
