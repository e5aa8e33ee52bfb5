"""Which image a name means exactly, and having that one here: name@sha256:…, or the id of an image that no registry knows."""

import re
from collections.abc import Callable, Iterable
from typing import Any

from draas.agent.runtimes.docker import images
from draas.agent.runtimes.docker.api import EngineApi, EngineAway, EngineError
from draas.agent.runtimes.docker.pull import pull
from draas.agent.runtimes.docker.registry_auth import auth_headers
from draas.agent.runtimes.runtime import RuntimeFailure
from draas.model.allocation import Cause
from draas.model.login import Login

REGISTRY_TIMEOUT_S = 30.0
_ID = re.compile(r"sha256:[0-9a-f]{64}")
_DEFAULT_PLACES = ("index.docker.io/", "docker.io/", "library/")


def is_id(image: str) -> bool:
    """Whether it is an image's id, and no name."""
    return _ID.fullmatch(image) is not None


def familiar(name: str) -> str:
    """One spelling for a repository: Docker leaves out what is its default. Source: the distribution project's reference grammar."""
    for place in _DEFAULT_PLACES:
        name = name.removeprefix(place)
    return name


def pin_of(image: str, repo_digests: Iterable[str], id: str) -> str:
    """What `image` is exactly, from what the engine says of the one that is here."""
    if is_id(image):
        return image
    wanted = images.parse_reference(image)
    if wanted.tag.startswith("sha256:"):
        return f"{wanted.name}@{wanted.tag}"
    for known in repo_digests:
        name, _, digest = known.partition("@")
        if familiar(name) == familiar(wanted.name):
            return f"{wanted.name}@{digest}"
    return id


async def pin_image(
    api: EngineApi,
    image: str,
    progress: Callable[[str], None],
    pinned: Callable[[str], None],
    login: Login | None = None,
    *,
    newest: bool = False,
    remedy: str = "",
) -> tuple[str, dict[str, Any]]:
    """Have `image` here; what it is exactly, and what the engine says of it. What is here already under this name counts.

    `login` opens its registry. `newest`: the registry is asked all the same, and where it answers has the word.

    Raises RuntimeFailure with cause and remedy, EngineAway, EngineError.
    """
    if is_id(image):
        pinned(image)
        return image, await _look_up_id(api, image)
    images.check_reference(image)
    info = await inspect_image(api, image)
    wanted = image if info is not None and not newest else await _ask_registry(api, image, login)
    if wanted != image:
        info = await inspect_image(api, wanted)
    if info is None:
        if "@" in wanted:
            pinned(wanted)
        await pull(api, wanted, progress, login, remedy)
        info = await inspect_image(api, wanted)
    if info is None:
        raise RuntimeFailure(Cause.IMAGE, f"image {image!r} was pulled and is gone again: does something prune images?")
    pin = pin_of(wanted, info.get("RepoDigests") or (), info["Id"])
    pinned(pin)
    return pin, info


async def _look_up_id(api: EngineApi, id: str) -> dict[str, Any]:
    info = await inspect_image(api, id)
    if info is None:
        raise RuntimeFailure(
            Cause.IMAGE,
            f"image {id[:19]}… is not on this node, and no registry has it: it was loaded by hand elsewhere; "
            "load it here too (docker save, docker load), or push it to a registry and deploy it by its name there",
        )
    return info


async def _ask_registry(api: EngineApi, image: str, login: Login | None) -> str:
    """`image` by its digest, in one round trip; as it is where the registry does not say: then the pull has the word."""
    wanted = images.parse_reference(image)
    if wanted.tag.startswith("sha256:"):
        return f"{wanted.name}@{wanted.tag}"
    try:
        path = f"distribution/{wanted.name}:{wanted.tag}/json"
        found = await api.call("GET", path, timeout_s=REGISTRY_TIMEOUT_S, headers=auth_headers(login))
        return f"{wanted.name}@{found['Descriptor']['digest']}"
    except (EngineError, EngineAway):
        return image


async def inspect_image(api: EngineApi, image: str) -> dict[str, Any] | None:
    """What the engine says of `image`; None where it is not here."""
    try:
        found: dict[str, Any] = await api.call("GET", f"images/{image}/json")
    except EngineError as error:
        if error.status != 404:
            raise
        return None
    return found
