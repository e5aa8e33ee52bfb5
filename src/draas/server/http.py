"""The HTTP protocol with the patience of a server that anybody can reach: bounded heads, bounded waiting.

uvicorn alone waits for ever for a request's head, keeps all of it, and reads on for ever what follows an early answer.
"""

import asyncio
from typing import Any

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES = 64 * 1024  # request line and headers; ours have a few hundred bytes
HEAD_S = 20.0  # from a request's first byte to the end of its head
REST_S = 10.0  # for the rest of a body that was answered early: closing at once would lose the answer on its way


class PatientProtocol(HttpToolsProtocol):
    """One connection. A head that is too large or too slow, and a body that goes on after its answer, end it."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._in_body = False
        self._head_bytes = 0
        self._limit: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._limit = self.loop.call_later(HEAD_S, self._refuse, 408, f"no request came within {HEAD_S:.0f} s")

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not self._in_body and self._limit is None:
            told = f"the headers did not arrive within {HEAD_S:.0f} s"
            self._limit = self.loop.call_later(HEAD_S, self._refuse, 408, told)
        self._head_bytes += len(data)
        super().data_received(data)
        if not self._in_body and self._head_bytes > HEAD_BYTES and not self.transport.is_closing():
            self._refuse(431, f"request line and headers have more than {HEAD_BYTES} bytes")

    def on_headers_complete(self) -> None:
        self._stop_waiting()
        self._in_body = True
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._stop_waiting()
        self._in_body, self._head_bytes = False, 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._in_body and not self.transport.is_closing():
            self._limit = self.loop.call_later(REST_S, self.transport.close)

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, "this is no HTTP request")

    def _refuse(self, status: int, detail: str) -> None:
        """Answer with a problem document, unless an answer is under way, and close."""
        self._stop_waiting()
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete:
            title = {400: "Bad Request", 408: "Request Timeout", 431: "Request Header Fields Too Large"}[status]
            problem = {"type": "about:blank", "title": title, "status": status, "detail": detail}
            if status == 400:
                problem["errors"] = []
            body = msgspec.json.encode(problem)
            self.transport.write(
                f"HTTP/1.1 {status} {title}\r\ncontent-type: application/problem+json\r\n"
                f"content-length: {len(body)}\r\nconnection: close\r\n\r\n".encode()
                + body
            )
        self.transport.close()

    def _stop_waiting(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None
