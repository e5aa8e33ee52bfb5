"""Recorder: what jobs say of themselves while they run, over TCP, beside the system under test.

Who ran when is told by the processes themselves: their lines carry the kernel's uptime, which is the same clock in every container
and machine of a rack. A connection that ends without "end" was killed.
"""

import contextlib
import socket
import socketserver
import threading
from dataclasses import dataclass
from typing import NamedTuple, cast


class Word(NamedTuple):
    """One line: `at` is the host's uptime in seconds as the process itself read it."""

    job: str
    allocation: str
    what: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """One attempt as it told: from its first word to its last."""

    allocation: str
    began: float
    last: float
    finished: bool


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    recorder: "Recorder"


class _Connection(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        recorder = cast(_Server, self.server).recorder
        with contextlib.suppress(OSError):
            for line in self.rfile:
                recorder.take(line.decode(errors="replace"))


class Recorder:
    """Listens at `host`. `script` makes a command that tells it what happens."""

    def __init__(self, host: str) -> None:
        self._server = _Server((host, 0), _Connection)
        self._server.recorder = self
        self._server.socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self.host, self.port = host, int(self._server.server_address[1])
        self._words: list[Word] = []
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def script(self, seconds: float, then: str = "") -> str:
        """A `sh` command that runs for about `seconds`, saying so five times a second, then does `then`."""
        say = 'read up _ < /proc/uptime; echo "$DRAAS_JOB_ID ${DRAAS_ALLOCATION_ID:-$DRAAS_ALLOCATION}'
        beats = max(1, round(seconds * 5))
        return (
            f'{{ {say} start $up"; i=0; while [ $i -lt {beats} ]; do sleep 0.2; {say} beat $up"; i=$((i+1)); done; '
            f'{say} end $up"; }} | busybox nc {self.host} {self.port}; {then}'
        )

    def take(self, line: str) -> None:
        """One line of a process."""
        parts = line.split()
        if len(parts) == 4:
            self._words.append(Word(parts[0], parts[1], parts[2], float(parts[3])))

    def lives(self, job: str) -> list[Life]:
        """The attempts of a job that really ran, in the order of their beginning."""
        words: dict[str, list[Word]] = {}
        for word in list(self._words):
            if word.job == job:
                words.setdefault(word.allocation, []).append(word)
        lives = [
            Life(
                allocation=allocation,
                began=min(word.at for word in said),
                last=max(word.at for word in said),
                finished=any(word.what == "end" for word in said),
            )
            for allocation, said in words.items()
        ]
        return sorted(lives, key=lambda life: life.began)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
