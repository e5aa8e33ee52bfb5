"""Pebble, the ACME authority that Let's Encrypt's makers wrote for tests, on free ports of loopback.

It refuses one nonce in twenty, fetches each challenge over HTTP, and trusts nobody's word.
"""

import asyncio
import os
import shutil
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import msgspec

from draas.testing.certificates import TestAuthority
from draas.testing.dns_query import SmallDns
from draas.testing.waiting import until

SBIN = "/usr/local/sbin:/usr/sbin:/sbin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pebble:
    """`http_port` is where it fetches challenges, at the addresses that `dns` gives. `tls` trusts it, `ca_file` is why."""

    directory: str
    tls: ssl.SSLContext
    ca_file: Path
    http_port: int
    dns: SmallDns


@asynccontextmanager
async def pebble(folder: Path, http_port: int | None = None) -> AsyncIterator[Pebble]:
    """An authority for the length of the block. Raises TimeoutError with its log where it does not start."""
    authority = TestAuthority("Pebble's own")
    chain, key = authority.sign("localhost")
    ca_file = folder / "pebble-ca.pem"
    for name, text in (("pebble.pem", chain), ("pebble-key.pem", key), (ca_file.name, authority.pem)):
        (folder / name).write_text(text)
    port, management, challenges = free_port(), free_port(), http_port or free_port()
    config = {
        "listenAddress": f"127.0.0.1:{port}",
        "managementListenAddress": f"127.0.0.1:{management}",
        "certificate": str(folder / "pebble.pem"),
        "privateKey": str(folder / "pebble-key.pem"),
        "httpPort": challenges,
        "tlsPort": free_port(),
    }
    (folder / "pebble.json").write_bytes(msgspec.json.encode({"pebble": config}))
    dns = SmallDns({})
    tls = ssl.create_default_context(cafile=str(ca_file))
    directory = f"https://localhost:{port}/dir"
    program = shutil.which("pebble", path=f"{os.environ.get('PATH', os.defpath)}:{SBIN}") or "pebble"
    words = [program, "-config", str(folder / "pebble.json"), "-dnsserver", f"127.0.0.1:{await dns.open()}", "-strict"]
    with (folder / "pebble.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *words, stdout=log, stderr=log, env={**os.environ, "PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "20"}
        )
    try:
        await until(lambda: _answers(directory, tls), bool, f"an answer of Pebble, see {folder / 'pebble.log'}")
        yield Pebble(directory=directory, tls=tls, ca_file=ca_file, http_port=challenges, dns=dns)
    finally:
        process.kill()
        await process.wait()
        dns.close()


async def _answers(directory: str, tls: ssl.SSLContext) -> bool:
    try:
        async with aiohttp.ClientSession() as session, session.get(directory, ssl=tls) as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False


def free_port() -> int:
    """A TCP port of loopback that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])
