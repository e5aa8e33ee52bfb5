"""Pull: an image from its registry, with progress."""

import json
from collections.abc import Callable
from typing import Any

from draas.agent.runtimes.docker.api import EngineApi, EngineAway, EngineError
from draas.agent.runtimes.docker.image_ledger import noted_pull
from draas.agent.runtimes.docker.images import explain_pull, parse_reference
from draas.agent.runtimes.docker.registry_auth import auth_headers
from draas.agent.runtimes.runtime import RuntimeFailure
from draas.model.allocation import Cause
from draas.model.login import Login

SILENCE_S = 300.0  # the engine reports several times a second while bytes arrive


class Progress:
    """Counts the layers of a pull into one sentence."""

    def __init__(self) -> None:
        self._layers: dict[str, tuple[int, int]] = {}
        self._done: set[str] = set()
        self.sentence = "pulling"

    def on_message(self, message: dict[str, Any]) -> bool:
        """Whether the sentence changed. Downloading counts for 80 of 100, unpacking and checking for the rest."""
        layer, status = message.get("id", ""), message.get("status", "")
        if status in ("Pulling fs layer", "Waiting"):
            self._layers.setdefault(layer, (0, 0))
        detail = message.get("progressDetail") or {}
        if status == "Downloading" and detail.get("total"):
            self._layers[layer] = (detail.get("current", 0), detail["total"])
        if status in ("Download complete", "Pull complete", "Already exists"):
            self._done.add(layer) if status != "Download complete" else None
            total = self._layers.get(layer, (0, 0))[1]
            self._layers[layer] = (total, total)
        before, self.sentence = self.sentence, f"pulling {self.percent} %"
        return self.sentence != before

    @property
    def percent(self) -> int:
        if not self._layers:
            return 0
        current, total = (sum(column) for column in zip(*self._layers.values(), strict=True))
        got = current / total if total else 0.0
        return min(int(80 * got + 20 * len(self._done & self._layers.keys()) / len(self._layers)), 100)


async def pull(
    api: EngineApi, image: str, progress: Callable[[str], None], login: Login | None = None, remedy: str = ""
) -> None:
    """Pull `image`; `login` opens its registry. Raises RuntimeFailure with cause and remedy (images.explain_pull)."""
    wanted = parse_reference(image)
    counted = Progress()
    progress(counted.sentence)
    try:
        async with (
            noted_pull(api, image),
            api.stream(
                "POST",
                "images/create",
                silence_s=SILENCE_S,
                headers=auth_headers(login),
                fromImage=wanted.name,
                tag=wanted.tag,
            ) as stream,
        ):
            async for line in stream:
                if counted.on_message(read_message(line)):
                    progress(counted.sentence)
    except EngineError as error:
        raise await explain_pull(api, image, error, remedy) from error
    except EngineAway as error:
        raise RuntimeFailure(
            Cause.IMAGE, f"pulling image {image!r} was cut off: {error.detail}; try again when the engine runs"
        ) from error


def read_message(line: bytes) -> dict[str, Any]:
    """One line of what the engine tells while it pulls or pushes. Raises EngineError for a line that says that it failed."""
    message: dict[str, Any] = json.loads(line) if line.strip() else {}
    if "errorDetail" in message or "error" in message:
        detail = message.get("errorDetail") or {}
        raise EngineError(int(detail.get("code") or 500), str(detail.get("message") or message.get("error")))
    return message
