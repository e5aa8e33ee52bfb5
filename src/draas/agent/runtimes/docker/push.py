"""Push: an image of this engine to its registry, with progress."""

from collections.abc import Callable
from typing import Any

from draas.agent.runtimes.docker.api import EngineApi, EngineAway, EngineError
from draas.agent.runtimes.docker.images import parse_reference
from draas.agent.runtimes.docker.pull import SILENCE_S, read_message
from draas.agent.runtimes.docker.registry_auth import auth_headers
from draas.agent.runtimes.runtime import RuntimeFailure
from draas.model.allocation import Cause
from draas.model.errors import Invalid
from draas.model.image_name import Digest, parse_digest
from draas.model.login import Login
from draas.model.registry import registry_of


class Progress:
    """Counts the layers of a push into one sentence."""

    def __init__(self) -> None:
        self._layers: dict[str, tuple[int, int]] = {}
        self.sentence = "pushing"

    def on_message(self, message: dict[str, Any]) -> bool:
        """Whether the sentence changed."""
        layer, status = message.get("id", ""), message.get("status", "")
        detail = message.get("progressDetail") or {}
        if status == "Pushing" and detail.get("total"):
            self._layers[layer] = (min(detail.get("current", 0), detail["total"]), detail["total"])
        elif status == "Pushed" and layer in self._layers:
            total = self._layers[layer][1]
            self._layers[layer] = (total, total)
        done, total = (sum(column) for column in zip(*self._layers.values(), strict=True)) if self._layers else (0, 0)
        before, self.sentence = self.sentence, f"pushing {100 * done // total if total else 0} %"
        return self.sentence != before


async def push(api: EngineApi, image: str, progress: Callable[[str], None], login: Login) -> Digest:
    """Push `image`, which names a tag; the digest under which the registry has it now.

    Raises RuntimeFailure with what the registry said.
    """
    wanted, registry = parse_reference(image), registry_of(image)
    counted, digest = Progress(), ""
    progress(counted.sentence)
    try:
        async with api.stream(
            "POST", f"images/{wanted.name}/push", silence_s=SILENCE_S, headers=auth_headers(login), tag=wanted.tag
        ) as stream:
            async for line in stream:
                message = read_message(line)
                digest = str((message.get("aux") or {}).get("Digest", digest))
                if counted.on_message(message):
                    progress(counted.sentence)
    except EngineError as error:
        raise _explain(image, registry, error) from error
    except EngineAway as error:
        raise RuntimeFailure(
            Cause.IMAGE, f"pushing {image!r} was cut off: {error.detail}; try again when the engine runs"
        ) from error
    try:
        return parse_digest(digest)
    except Invalid:
        raise RuntimeFailure(Cause.IMAGE, f"{registry} did not say under which digest it has {image!r}") from None


def _explain(image: str, registry: str, error: EngineError) -> RuntimeFailure:
    if error.status == 404:
        return RuntimeFailure(Cause.IMAGE, f"there is no image {image!r} on this node to push: {error.message}")
    return RuntimeFailure(
        Cause.IMAGE,
        f"image {image!r} could not be pushed to {registry}: check user and password, and that it may be written there; "
        f"the registry said: {error.message}",
    )
