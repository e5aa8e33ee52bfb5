"""Stopping: what ends a build from outside of its own steps, from a signal or from another thread."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from draas.agent.runtimes.build.failure import BuildFailed


class Stopping:
    """At most one step is under way; it says how it is cut short, and looks afterwards whether it was."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a signal may come while it is held
        self._cut: Callable[[], None] | None = None
        self.failure: BuildFailed | None = None
        self.stopped = threading.Event()

    def stop(self, failure: BuildFailed) -> None:
        """End the build for this reason, unless there is one already."""
        with self._lock:
            self.failure = self.failure or failure
            self.stopped.set()
            self._call()

    def _call(self) -> None:
        if self._cut is None:
            return
        try:
            self._cut()
        except OSError:  # it has ended by itself
            return

    @contextmanager
    def by(self, cut: Callable[[], None]) -> Iterator[None]:
        """Within the block `cut` ends what is under way."""
        self.check()
        with self._lock:
            self._cut = cut
        try:
            self.check()
            yield
        finally:
            with self._lock:
                self._cut = None

    def check(self) -> None:
        """Raises BuildFailed where the build was told to end."""
        if self.failure is not None:
            raise self.failure

    def pause(self, seconds: float) -> None:
        """Wait, but no longer than until it is stopped. Raises BuildFailed then."""
        self.stopped.wait(seconds)
        self.check()
