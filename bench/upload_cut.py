"""A large source on its way to a controller over a line that breaks again and again; in the middle the controller is killed as well.

`.venv/bin/python bench/upload_cut.py [MB [CUT_EVERY_MB]]`: 2,048 MB of random bytes, the line cut after each 300 MB, by the client that
`draas deploy` uses. Asked: it ends by itself with the right digest, memory of both sides stays flat (under 150 MB more than at
the start), and no more than one chunk is sent again for each cut.
"""

import asyncio
import hashlib
import json
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from yarl import URL

from draas.client.uploads import CHUNK_BYTES
from draas.lib import clock
from draas.testing.controller_process import ADMIN_KEY, ControllerProcess
from draas.testing.cut_wire import CutWire

MIB = 1024 * 1024
ASKED_MORE_MB = 150
REPOSITORY = "default/shop"
# In a process of its own, so that its memory is its own. It tells each step and, last, what it ends with.
CLIENT = """
import asyncio, json, resource, sys
from pathlib import Path
from draas.client.api import Client
from draas.client.settings import Settings
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
async def main(url, key, repository, file):
    async with Client(Settings(url=url, key=key), patience_s=120) as client:
        first = peak()
        digest = await client.builds.upload(repository, Path(file), lambda sent, size: print(sent, flush=True))
        made = await client.builds.create({"name": "shop", "source": digest})
        print(json.dumps({"digest": made["source"]["digest"], "first_mb": first, "peak_mb": peak()}))
asyncio.run(main(*sys.argv[1:]))
"""


def make(file: Path, size_mb: int) -> str:
    """Random bytes; returns their digest."""
    digest = hashlib.sha256()
    with file.open("wb") as out:
        for _ in range(size_mb):
            piece = os.urandom(MIB)
            digest.update(piece)
            out.write(piece)
    return f"sha256:{digest.hexdigest()}"


def peak_mb(controller: ControllerProcess) -> int:
    """The most memory that the controller's process has had so far."""
    assert controller.process is not None
    lines = Path(f"/proc/{controller.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM:"))


async def upload(controller: ControllerProcess, wire: CutWire, file: Path, size: int) -> tuple[dict[str, object], int]:
    """What the client ended with, and the controller's peak of memory."""
    peaks, was_killed = [], False
    async with wire.listening() as port:
        words = (f"http://127.0.0.1:{port}", ADMIN_KEY, REPOSITORY, str(file))
        client = await asyncio.create_subprocess_exec(
            sys.executable, "-c", CLIENT, *words, stdout=asyncio.subprocess.PIPE
        )
        assert client.stdout is not None
        told: dict[str, object] = {}
        async for line in client.stdout:
            if line.startswith(b"{"):
                told = json.loads(line)
            elif int(line) > size // 2 and not was_killed:
                was_killed = True
                peaks.append(peak_mb(controller))
                controller.kill()
                await asyncio.to_thread(controller.start)
        assert await client.wait() == 0, "the client gave up"
    return told, max(*peaks, peak_mb(controller))


def main(size_mb: int, every_mb: int) -> int:
    with TemporaryDirectory(prefix="draas-bench-", dir="/var/tmp") as temporary:
        folder, file = Path(temporary) / "controller", Path(temporary) / "source"
        folder.mkdir()
        digest = make(file, size_mb)
        controller = ControllerProcess(folder, "127.0.0.1")
        try:
            controller.start()
            first_mb = peak_mb(controller)
            wire = CutWire(URL(controller.url).port or 0, every_mb * MIB)
            began = clock.monotonic()
            told, server_mb = asyncio.run(upload(controller, wire, file, size_mb * MIB))
            took_s = clock.monotonic() - began
            blobs = [path for path in folder.rglob(digest.removeprefix("sha256:")) if path.stat().st_size > 0]
            with blobs[0].open("rb") as stored:
                is_equal = told["digest"] == digest == f"sha256:{hashlib.file_digest(stored, 'sha256').hexdigest()}"
        finally:
            controller.close()
    again_mb = wire.sent / MIB - size_mb
    client_mb = [int(str(told[name])) for name in ("first_mb", "peak_mb")]
    print(f"{size_mb} MB, {wire.cuts} cuts and a controller killed at the half: {took_s:.1f} s")
    print(f"sent in all: {wire.sent / MIB:.0f} MB, {again_mb:.0f} MB of them again (with what HTTP adds)")
    print(f"client: {client_mb[1]} MB at most, {client_mb[0]} MB at the start")
    print(f"controller: {server_mb} MB at most, {first_mb} MB at the start")
    print(f"digest equal: {'yes' if is_equal else 'NO'}")
    is_flat = max(client_mb[1] - client_mb[0], server_mb - first_mb) <= ASKED_MORE_MB
    most_again_mb = (wire.cuts + 1) * 2 * CHUNK_BYTES / MIB + size_mb / 50
    return 0 if is_equal and is_flat and again_mb <= most_again_mb else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 2048, int(sys.argv[2]) if len(sys.argv) > 2 else 300))
