"""Telling: the build's log, a line at a time, without what nobody may see."""

import sys

from draas.agent.runtimes.build.log_text import Masks
from draas.model.image_name import CLUSTER_HOST


class Telling:
    """`tell(line)` is the log; `last` goes to the other stream, as what went wrong."""

    def __init__(self, masks: Masks, host: str = "") -> None:
        """`host` is what the cluster's registry is called by this machine's engine, and by nobody else."""
        self._masks = masks
        self._host = host

    def shown(self, text: str) -> str:
        """`text` as anybody may see it."""
        return self._masks(text.replace(self._host, CLUSTER_HOST) if self._host else text)

    def __call__(self, text: str = "") -> None:
        print(self.shown(text), flush=True)

    def last(self, text: str) -> None:
        """The last line."""
        print(self.shown(text), file=sys.stderr, flush=True)
