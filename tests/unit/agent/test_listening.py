"""Listening sockets, as the kernel prints them on a little-endian machine."""

import os
import socket
import sys

import pytest

from draas.agent.observe.listening import parse_listeners, read_listeners
from draas.agent.runtimes.runtime import Listener

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
ROW = "   {n}: {local} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0\n"


@pytest.mark.parametrize(
    ("local", "listener"),
    [
        ("00000000:1F90", Listener("0.0.0.0", 8080)),
        ("0100007F:0050", Listener("127.0.0.1", 80)),
        ("00000000000000000000000000000000:0016", Listener("::", 22)),
        ("00000000000000000000000001000000:0016", Listener("::1", 22)),
        ("0000000000000000FFFF00000100007F:0016", Listener("127.0.0.1", 22)),
    ],
)
def test_addresses(local: str, listener: Listener) -> None:
    if sys.byteorder == "big":
        local = (
            "".join(bytes.fromhex(local[at : at + 8])[::-1].hex() for at in range(0, local.index(":"), 8))
            + local[local.index(":") :]
        )
    table = HEAD + ROW.format(n=0, local=local, state="0A") + ROW.format(n=1, local="0100007F:1234", state="01")
    assert list(parse_listeners(table)) == [listener]


def test_the_kernel_agrees() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert Listener("127.0.0.1", server.getsockname()[1]) in (read_listeners(os.getpid()) or ())
    assert read_listeners(2**22 + 1) is None
