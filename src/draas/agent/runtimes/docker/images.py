"""Images: references, and what each failure to pull means."""

import asyncio
import os
import re
from typing import NamedTuple

from draas.agent.runtimes.docker.api import EngineApi, EngineAway, EngineError
from draas.agent.runtimes.runtime import RuntimeFailure
from draas.model.allocation import Cause
from draas.model.architecture import runs
from draas.model.login import Login
from draas.model.registry import registry_of

MAX_REFERENCE = 512
FULL_DISK_BYTES = 64 * 1024 * 1024  # with less than this no layer can be unpacked


# Source: the grammar of github.com/distribution/reference. Nothing that passes can change the path of a call.
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    r"(?:[a-zA-Z0-9][a-zA-Z0-9.-]*(?::[0-9]+)?/)?"
    rf"{_PART}(?:/{_PART})*(?::[a-zA-Z0-9_][a-zA-Z0-9_.-]{{0,127}})?(?:@[a-z0-9]+:[0-9a-f]{{32,}})?"
)


def check_reference(image: str) -> None:
    """Raises RuntimeFailure(IMAGE) where `image` is no image name at all."""
    if len(image) > MAX_REFERENCE or not _REFERENCE.fullmatch(image):
        raise RuntimeFailure(
            Cause.IMAGE, f"{image[:MAX_REFERENCE]!r} is no valid image name: write name:tag, in lower case"
        )


class Reference(NamedTuple):
    """What to pull: `tag` is a tag or a digest, never empty (the engine would pull every tag)."""

    name: str
    tag: str


def parse_reference(image: str) -> Reference:
    """`registry:5000/a/b:tag@digest` in its parts; without either, `latest`. Source: Docker's distribution reference grammar."""
    name, _, digest = image.partition("@")
    head, colon, tag = name.rpartition(":")
    tagged = bool(colon) and "/" not in tag
    if digest:
        return Reference(head if tagged else name, digest)
    return Reference(head, tag) if tagged else Reference(name, "latest")


async def explain_pull(api: EngineApi, image: str, error: EngineError, remedy: str = "") -> RuntimeFailure:
    """What went wrong, by the status of the engine's answer and by what can be looked up; its message is only quoted.

    `remedy` is login_remedy's: engines answer 500 where the registry wants another login, or any.
    """
    said = f"{remedy}; the engine said: {error.message}" if remedy else f"the engine said: {error.message}"
    registry = registry_of(image)
    if error.status == 400:
        return RuntimeFailure(
            Cause.IMAGE, f"{image!r} is no valid image name: write name:tag; the engine said: {error.message}"
        )
    if error.status in (401, 403, 404):
        return RuntimeFailure(Cause.IMAGE, f"image {image!r} was not found at {registry}: check name and tag; {said}")
    free = await free_disk_bytes(api)
    if free is not None and free < FULL_DISK_BYTES:
        return RuntimeFailure(
            Cause.DISK,
            f"no room for image {image!r}: {free >> 20} MiB are free on this node; remove images or files; "
            f"the engine said: {error.message}",
        )
    return RuntimeFailure(
        Cause.IMAGE,
        f"registry {registry} did not deliver image {image!r}: check that it runs and can be reached; {said}",
    )


def login_remedy(image: str, login: Login | None) -> str:
    """What to do where `image` of another registry is private: pulled with `login`, or without one."""
    add = f"draas registries add {registry_of(image)}"
    if login is None:
        return f"if the image is private, the project's login is missing: {add}"
    return f"if it is the project's login as {login.username!r} that is refused, give it again: {add}"


async def free_disk_bytes(api: EngineApi) -> int | None:
    """What is free where a local engine keeps its images; None where that cannot be seen."""
    if not api.local:
        return None
    try:
        folder = (await api.call("GET", "info"))["DockerRootDir"]
        found = await asyncio.to_thread(os.statvfs, folder)
    except (EngineError, EngineAway, OSError):
        return None
    return found.f_bavail * found.f_frsize


def check_arch(image: str, wanted: str, machine: str) -> None:
    """Raises RuntimeFailure(IMAGE) where a machine cannot run an image built for `wanted`."""
    if not runs(machine, wanted):
        raise RuntimeFailure(
            Cause.IMAGE,
            f"image {image!r} is built for {wanted} and this node is {machine}: use an image for {machine}, "
            f"or the constraint node.arch == {wanted}",
        )
