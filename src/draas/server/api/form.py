"""Form: a multipart/form-data body taken apart as it comes, with bounded memory. Source: RFC 7578."""

from collections.abc import AsyncIterator
from typing import NamedTuple

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from draas.model.errors import Fault, Invalid
from draas.server.api.pieces import pieces_of

KIND = "multipart/form-data"
_PLAIN = ("", "7bit", "8bit", "binary")


class Part(NamedTuple):
    """Some of a part. `begins` is set with its first piece, `ends` with its last; `data` may be empty."""

    name: str
    data: bytes
    begins: bool = False
    ends: bool = False


def is_form(request: Request) -> bool:
    """Whether the body says that it is one."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == KIND


async def parts_of(request: Request, remedy: str) -> AsyncIterator[Part]:
    """The parts in their order, each in pieces. Raises Invalid where it is no form or has no end, TooSlow, ClientDisconnect."""
    boundary = parse_options_header(request.headers["content-type"])[1].get(b"boundary", b"")
    if not boundary:
        raise _wrong("lacks the boundary in its Content-Type: let your HTTP client write that header")
    taken = _Taken()
    try:
        parser = MultipartParser(boundary, taken.callbacks)  # type: ignore[arg-type]  # a plain dict of its callbacks
        async for piece in pieces_of(request, remedy):
            parser.write(piece)
            for part in taken.parts:
                yield part
            taken.parts.clear()
    except FormParserError as error:
        raise _wrong(f"is no multipart/form-data: {error}") from None
    if not taken.ended:
        raise _wrong("ends in the middle: send it again")


def _wrong(told: str) -> Invalid:
    return Invalid("the request is not valid", (Fault("", told),))


class _Taken:
    """What the parser has found since it was last looked at."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.ended = False
        self._name = ""
        self._header, self._value = b"", b""
        self._headers: dict[bytes, bytes] = {}
        self.callbacks = {
            "on_part_begin": self._headers.clear,
            "on_header_field": self._on_field,
            "on_header_value": self._on_value,
            "on_header_end": self._on_header,
            "on_headers_finished": self._on_part,
            "on_part_data": self._on_data,
            "on_part_end": lambda: self.parts.append(Part(self._name, b"", ends=True)),
            "on_end": self._on_end,
        }

    def _on_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header(self) -> None:
        self._headers[self._header.lower()] = self._value
        self._header, self._value = b"", b""

    def _on_part(self) -> None:
        options = parse_options_header(self._headers.get(b"content-disposition", b""))[1]
        self._name = options.get(b"name", b"").decode(errors="replace")
        coding = self._headers.get(b"content-transfer-encoding", b"").decode(errors="replace").strip().lower()
        if coding not in _PLAIN:
            raise Invalid("the request is not valid", (Fault(self._name, "is encoded: send it as it is"),))
        self.parts.append(Part(self._name, b"", begins=True))

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        self.parts.append(Part(self._name, bytes(data[start:end])))

    def _on_end(self) -> None:
        self.ended = True
