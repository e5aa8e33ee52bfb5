"""A small event loop: file descriptors, timers and child exits. asyncio would triple the supervisor's memory and start time."""

import heapq
import itertools
import os
import select
import signal
import socket
from collections.abc import Callable

from draas.lib import clock

BATCH = 256


class Reactor:
    """Single-threaded. `idle` is called before each wait, so that what one round produced leaves in one piece."""

    def __init__(self, on_children: Callable[[], None], idle: Callable[[], None]) -> None:
        self._epoll = select.epoll()
        self._on_fd: dict[int, Callable[[int], None]] = {}
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._on_children = on_children
        self._idle = idle
        self._running = True
        self._children_changed = False
        self._watch_children()

    def _watch_children(self) -> None:
        reader, writer = socket.socketpair()
        reader.setblocking(False)
        writer.setblocking(False)
        self._wakeup = (reader, writer)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        self.watch(reader.fileno(), self._woken)

    def _woken(self, _: int) -> None:
        self._wakeup[0].recv(4096)
        self._children_changed = True

    def watch(self, fd: int, call: Callable[[int], None], events: int = select.EPOLLIN) -> None:
        """Call `call(events)` whenever `fd` is ready."""
        self._on_fd[fd] = call
        self._epoll.register(fd, events)

    def change(self, fd: int, events: int) -> None:
        """Wait for other `events` on a watched `fd`."""
        self._epoll.modify(fd, events)

    def unwatch(self, fd: int) -> None:
        """To be called before `fd` is closed."""
        if self._on_fd.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def after(self, delay_s: float, call: Callable[[], None]) -> None:
        """Call once in `delay_s`. There is no way to cancel: `call` looks whether it is still wanted."""
        heapq.heappush(self._timers, (clock.monotonic() + delay_s, next(self._order), call))

    def stop(self) -> None:
        """Leave `run` after this round."""
        self._running = False

    def run(self) -> None:
        """Go round until `stop`."""
        while self._running:
            self._idle()
            for fd, events in self._epoll.poll(self._timeout_s(), BATCH):
                call = self._on_fd.get(fd)
                if call is not None:
                    call(events)
            if self._children_changed:
                self._children_changed = False
                self._on_children()
            self._run_timers()

    def _timeout_s(self) -> float:
        return max(0.0, self._timers[0][0] - clock.monotonic()) if self._timers else -1

    def _run_timers(self) -> None:
        now = clock.monotonic()
        while self._timers and self._timers[0][0] <= now:
            heapq.heappop(self._timers)[2]()


def close_quietly(fd: int) -> None:
    """Close `fd`, which may be closed already."""
    try:
        os.close(fd)
    except OSError:
        return
