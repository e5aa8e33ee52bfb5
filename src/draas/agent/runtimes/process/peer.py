"""One agent connected to the supervisor."""

import select
import socket
from collections.abc import Callable

import msgspec

from draas.agent.runtimes.process.protocol import (
    FromSupervisor,
    ToSupervisor,
    decode_to_supervisor,
    frame,
    take_frames,
)
from draas.agent.runtimes.process.reactor import Reactor

READ_BYTES = 256 * 1024
MAX_UNSENT_BYTES = 16 * 1024 * 1024  # an agent that takes nothing is dropped; it learns all when it connects again


class Peer:
    """Reads requests, and sends what `send` gathered in one frame a round."""

    def __init__(
        self,
        connection: socket.socket,
        reactor: Reactor,
        on_message: Callable[["Peer", ToSupervisor], None],
        on_gone: Callable[["Peer"], None],
    ) -> None:
        connection.setblocking(False)
        self._connection = connection
        self._reactor = reactor
        self._on_message = on_message
        self._on_gone = on_gone
        self._in = bytearray()
        self._out = bytearray()
        self._messages: list[FromSupervisor] = []
        self._open = True
        reactor.watch(connection.fileno(), self._ready)

    def send(self, message: FromSupervisor) -> None:
        """To be sent with the next flush."""
        self._messages.append(message)

    def _ready(self, events: int) -> None:
        if events & select.EPOLLOUT:
            self._write()
        if self._open and events & ~select.EPOLLOUT:
            self._read()

    def _read(self) -> None:
        try:
            data = self._connection.recv(READ_BYTES)
            self._in += data
            bodies = take_frames(self._in) if data else []
            messages = [message for body in bodies for message in decode_to_supervisor(body)]
        except BlockingIOError:
            return
        except (OSError, ValueError, msgspec.MsgspecError):
            self.close()
            return
        for message in messages:
            self._on_message(self, message)
        if not data:
            self.close()

    def flush(self) -> None:
        """Send what was gathered; what the socket does not take follows when it is ready."""
        if not self._messages or not self._open:
            return
        waiting = bool(self._out)
        self._out += frame(self._messages)
        self._messages = []
        if len(self._out) > MAX_UNSENT_BYTES:
            self.close()
        elif not waiting:
            self._write()

    def _write(self) -> None:
        try:
            sent = self._connection.send(self._out)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.close()
            return
        del self._out[:sent]
        self._reactor.change(self._connection.fileno(), select.EPOLLIN | (select.EPOLLOUT if self._out else 0))

    def close(self) -> None:
        """Let go of the connection."""
        if self._open:
            self._open = False
            self._reactor.unwatch(self._connection.fileno())
            self._connection.close()
            self._on_gone(self)
