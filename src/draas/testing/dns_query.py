"""A DNS question over UDP, and a small DNS server: what a resolver does, without one (RFC 1035)."""

import asyncio
import secrets
import socket
import struct
from typing import NamedTuple

TYPE_A, TYPE_AAAA = 1, 28
CODES = {0: "NOERROR", 2: "SERVFAIL", 3: "NXDOMAIN", 5: "REFUSED"}


class Answered(NamedTuple):
    """`code` in words, the addresses, and the smallest time to live among them."""

    code: str
    addresses: list[str]
    ttl_s: int | None = None


async def ask(name: str, at: tuple[str, int], kind: int = TYPE_A, timeout_s: float = 3.0) -> Answered:
    """What the server `at` answers. Raises TimeoutError, or OSError where nobody listens."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET6 if ":" in at[0] else socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.setblocking(False)
        asking.connect(at)
        number = secrets.randbelow(65536)
        await loop.sock_sendall(asking, struct.pack("!6H", number, 0x0100, 1, 0, 0, 0) + _question(name, kind))
        async with asyncio.timeout(timeout_s):
            while True:
                reply = await loop.sock_recv(asking, 4096)
                if struct.unpack("!H", reply[:2])[0] == number:
                    return _parse(reply)


def _question(name: str, kind: int) -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return labels + struct.pack("!BHH", 0, kind, 1)


def _parse(reply: bytes) -> Answered:
    _, flags, questions, answers, _, _ = struct.unpack("!6H", reply[:12])
    at = 12
    for _ in range(questions):
        at = _after_name(reply, at) + 4
    addresses, ttls = [], []
    for _ in range(answers):
        at = _after_name(reply, at)
        kind, _, ttl, size = struct.unpack("!HHIH", reply[at : at + 10])
        data = reply[at + 10 : at + 10 + size]
        at += 10 + size
        if kind in (TYPE_A, TYPE_AAAA):
            addresses.append(socket.inet_ntop(socket.AF_INET if kind == TYPE_A else socket.AF_INET6, data))
            ttls.append(ttl)
    return Answered(CODES.get(flags & 15, str(flags & 15)), sorted(addresses), min(ttls, default=None))


def _after_name(reply: bytes, at: int) -> int:
    while reply[at]:
        if reply[at] >= 192:  # a pointer to an earlier name
            return at + 2
        at += reply[at] + 1
    return at + 1


class SmallDns(asyncio.DatagramProtocol):
    """Answers each name in `names` with its IPv4 address, and others with NXDOMAIN; `asked` are the names that came."""

    def __init__(self, names: dict[str, str]) -> None:
        self.names = names
        self.asked: list[str] = []
        self._transport: asyncio.DatagramTransport

    async def open(self) -> int:
        """Listen on a free port of loopback, which is returned."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        return int(self._transport.get_extra_info("sockname")[1])

    def close(self) -> None:
        self._transport.close()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        end = _after_name(data, 12)
        question, labels, at = data[12 : end + 4], [], 12
        while data[at]:
            labels.append(data[at + 1 : at + 1 + data[at]].decode())
            at += data[at] + 1
        name = ".".join(labels).lower()
        self.asked.append(name)
        address = self.names.get(name) if struct.unpack("!H", question[-4:-2])[0] == TYPE_A else None
        code, count = (0, 1 if address else 0) if name in self.names else (3, 0)
        reply = data[:2] + struct.pack("!5H", 0x8180 | code, 1, count, 0, 0) + question
        if address:
            reply += struct.pack("!HHHIH", 0xC00C, TYPE_A, 1, 60, 4) + socket.inet_aton(address)
        self._transport.sendto(reply, addr)
