"""Push and pull of a 400 MB image by a real Docker Engine: docker-registry, the controller, and the controller through an agent's loopback address.

`uv run python bench/registry.py [ROUNDS [MB]]`. Each round has an image of its own, eight layers of random bytes, pushed to all three and pulled
from all three in turns by an engine that no longer has it. Asked: 0.9 of docker-registry's rate. Then a pull of which all layers are here
already (asked: under 0.3 s), and the memory of controller and proxy while 2 GB are pushed through them. Needs root, Docker Engine and
Debian's docker-registry.
"""

import asyncio
import base64
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import psutil
from one_machine import Machine, memory_mb, one_machine
from yarl import URL

from draas.lib import clock
from draas.testing.running_ingress import free_ports

LAYERS, MB, GIB = 8, 1_000_000, 1 << 30
PIECE_BYTES = 1 << 20
ENGINE = "http://docker/v1.41/"
SOCKET = "/var/run/docker.sock"
PROXY = """
import asyncio, sys
from pathlib import Path
from draas.agent.images.cluster_images import ClusterImages
from draas.agent.images.upstream import Controller
async def main(folder, url, key):
    images = ClusterImages(Path(folder), Controller(url=url, key=key, tls=None))
    await images.serve()
    print('AT', images.login.host, images.login.password, flush=True)
    await asyncio.Event().wait()
asyncio.run(main(*sys.argv[1:]))
"""


class Target:
    """A registry under test: where, and what opens it."""

    def __init__(self, title: str, host: str, password: str = "", repository: str = "default/bench") -> None:
        self.title, self.host, self.repository = title, host, repository
        auth = {"username": "draas", "password": password, "serveraddress": host} if password else {}
        self.headers = {"X-Registry-Auth": base64.urlsafe_b64encode(json.dumps(auth).encode()).decode()}
        self.basic = {"Authorization": aiohttp.encode_basic_auth("draas", password)} if password else {}
        self.push_s: list[float] = []
        self.pull_s: list[float] = []

    @property
    def name(self) -> str:
        return f"{self.host}/{self.repository}"


async def engine(docker: aiohttp.ClientSession, method: str, path: str, headers: dict[str, str] | None = None) -> None:
    """One call; an error in the answer's stream is raised."""
    async with docker.request(method, ENGINE + path, headers=headers) as response:
        text = await response.text()
        if response.status >= 400 or '"error"' in text:
            raise RuntimeError(f"{method} {path}: {response.status} {text[-500:]}")


async def timed_push(docker: aiohttp.ClientSession, target: Target, tag: str) -> float:
    began = clock.monotonic()
    await engine(docker, "POST", f"images/{target.name}/push?tag={tag}", target.headers)
    return clock.monotonic() - began


async def timed_pull(docker: aiohttp.ClientSession, target: Target, tag: str) -> float:
    began = clock.monotonic()
    await engine(docker, "POST", f"images/create?fromImage={target.name}&tag={tag}", target.headers)
    return clock.monotonic() - began


def write_image(path: Path, name: str, layers: Sequence[Path], note: str) -> None:
    """A `docker load` archive of these layers; images with other notes share them."""
    diffs = [f"sha256:{_sha256(layer)}" for layer in layers]
    config = {"architecture": "amd64", "os": "linux", "config": {"Labels": {"note": note}}}
    config["rootfs"] = {"type": "layers", "diff_ids": diffs}
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": [layer.name for layer in layers]}]
    files = {"config.json": json.dumps(config), "manifest.json": json.dumps(manifest)}
    with tarfile.open(path, "w") as tar:
        for layer in layers:
            tar.add(layer, layer.name)
        for file, text in files.items():
            (path.parent / file).write_text(text)
            tar.add(path.parent / file, file)


def write_layers(folder: Path, layer_bytes: int) -> list[Path]:
    made = []
    for at in range(LAYERS):
        content, layer = folder / "content", folder / f"layer{at}.tar"
        with content.open("wb") as out:
            for _ in range(layer_bytes // PIECE_BYTES):
                out.write(os.urandom(PIECE_BYTES))
        with tarfile.open(layer, "w") as tar:
            tar.add(content, f"blob{at}")
        content.unlink()
        made.append(layer)
    return made


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


async def load(docker: aiohttp.ClientSession, folder: Path, layers: Sequence[Path], note: str) -> None:
    """Have the image in the engine as bench:NOTE."""
    path = folder / "image.tar"
    write_image(path, f"bench:{note}", layers, note)
    with path.open("rb") as file:
        async with docker.post(ENGINE + "images/load", data=file) as response:
            if "error" in (text := await response.text()):
                raise RuntimeError(text)
    path.unlink()


async def one_round(
    docker: aiohttp.ClientSession, targets: Sequence[Target], folder: Path, note: str, size: int
) -> None:
    """Push to all, forget the image, pull from all and forget it each time."""
    layers = write_layers(folder, size // LAYERS)
    await load(docker, folder, layers, note)
    for target in targets:
        await engine(docker, "POST", f"images/bench:{note}/tag?repo={target.name}&tag={note}")
        target.push_s.append(await timed_push(docker, target, note))
    for name in [f"bench:{note}", *(f"{target.name}:{note}" for target in targets)]:
        await engine(docker, "DELETE", f"images/{name}")
    for target in targets:
        target.pull_s.append(await timed_pull(docker, target, note))
        await engine(docker, "DELETE", f"images/{target.name}:{note}")


async def known_layers(docker: aiohttp.ClientSession, targets: Sequence[Target], folder: Path) -> None:
    """A new image of layers that the engine has: what a second release costs."""
    layers = write_layers(folder, 40 * MB // LAYERS)
    for note in ("first", "second"):
        await load(docker, folder, layers, note)
        for target in targets:
            await engine(docker, "POST", f"images/bench:{note}/tag?repo={target.name}&tag={note}")
            await timed_push(docker, target, note)
            await engine(docker, "DELETE", f"images/{target.name}:{note}")
    await engine(docker, "DELETE", "images/bench:second")  # bench:first keeps the layers
    for target in targets:
        took = await timed_pull(docker, target, "second")
        await engine(docker, "DELETE", f"images/{target.name}:second")
        print(f"{target.title:34} pull with all layers present {took:.3f} s")
    await engine(docker, "DELETE", "images/bench:first")


async def big_push(target: Target, processes: dict[str, psutil.Process], size: int) -> None:
    """Stream `size` bytes into one blob, and print how far memory rose meanwhile."""
    before = {name: memory_mb(process) for name, process in processes.items()}
    most, piece, hashed = dict(before), os.urandom(PIECE_BYTES), hashlib.sha256()

    async def body() -> AsyncIterator[bytes]:
        for _ in range(size // PIECE_BYTES):
            hashed.update(piece)
            yield piece

    async def watch() -> None:
        while True:
            for name, process in processes.items():
                most[name] = max(most[name], memory_mb(process))
            await asyncio.sleep(0.05)

    began = clock.monotonic()
    watching = asyncio.create_task(watch())
    timeout = aiohttp.ClientTimeout(total=None, sock_read=300)
    async with aiohttp.ClientSession(headers=target.basic, timeout=timeout) as http:
        url = f"http://{target.host}/v2/{target.repository}/blobs/uploads/"
        async with http.post(url) as response:
            response.raise_for_status()
            place = str(response.url.join(URL(response.headers["Location"])))
        async with http.patch(place, data=body(), headers={"Content-Type": "application/octet-stream"}) as response:
            response.raise_for_status()
            place = str(response.url.join(URL(response.headers["Location"])))
        mark = "&" if "?" in place else "?"
        async with http.put(f"{place}{mark}digest=sha256:{hashed.hexdigest()}") as response:
            response.raise_for_status()
    watching.cancel()
    took = clock.monotonic() - began
    told = ", ".join(f"{name} {before[name]:.0f} > {most[name]:.0f} MB" for name in processes)
    print(f"{target.title:34} {size / 1e9:.1f} GB pushed in {took:.1f} s, {size / took / 1e6:.0f} MB/s; memory: {told}")


@asynccontextmanager
async def docker_registry(folder: Path) -> AsyncIterator[tuple[Target, psutil.Process]]:
    program = shutil.which("docker-registry")
    if program is None:
        raise SystemExit("needs Debian's docker-registry: apt-get install docker-registry")
    (port,) = free_ports(1)
    config = folder / "config.yml"
    config.write_text(
        f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {folder}/peer}}}}\n"
        f"http: {{addr: '127.0.0.1:{port}'}}\n"
    )
    process = await asyncio.create_subprocess_exec(
        program, "serve", str(config), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        await answers(f"http://127.0.0.1:{port}/v2/")
        yield Target("docker-registry", f"127.0.0.1:{port}"), psutil.Process(process.pid)
    finally:
        process.terminate()
        await process.wait()


@asynccontextmanager
async def agents_address(machine: Machine) -> AsyncIterator[tuple[Target, psutil.Process]]:
    """An agent's loopback registry in a process of its own; with the admin key in place of a node's, which opens only what its node runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROXY, str(machine.folder / "proxy"), machine.url, machine.key, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        words: list[str] = []
        while words[:1] != ["AT"]:  # before it, its log
            words = (await process.stdout.readline()).decode().split()
        host, password = words[1:]
        yield Target("DRaaS, through an agent", host, password, "default/carried"), psutil.Process(process.pid)
    finally:
        process.terminate()
        await process.wait()


async def answers(url: str) -> None:
    async with aiohttp.ClientSession() as http:
        for _ in range(200):
            try:
                async with http.get(url):
                    return
            except aiohttp.ClientError:
                await asyncio.sleep(0.05)
    raise RuntimeError(f"{url} does not answer")


def report(targets: Sequence[Target], size: int) -> None:
    peer = targets[0]
    for target in targets:
        push, pull = statistics.median(target.push_s), statistics.median(target.pull_s)
        ratios = [
            statistics.median(p / t for p, t in zip(theirs, ours, strict=True))
            for theirs, ours in ((peer.push_s, target.push_s), (peer.pull_s, target.pull_s))
        ]
        print(
            f"{target.title:34} push {push:6.2f} s {size / push / 1e6:6.1f} MB/s ratio {ratios[0]:.2f}   "
            f"pull {pull:6.2f} s {size / pull / 1e6:6.1f} MB/s ratio {ratios[1]:.2f}"
        )


async def main(rounds: int, size: int) -> None:
    timeout = aiohttp.ClientTimeout(total=None)
    with tempfile.TemporaryDirectory(prefix="draas-bench-registry-", dir="/var/tmp") as place:
        folder = Path(place)
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(SOCKET), timeout=timeout) as docker,
            one_machine() as machine,
            docker_registry(folder) as (peer, peer_process),
            agents_address(machine) as (proxied, proxy),
        ):
            ours = Target("DRaaS", machine.url.removeprefix("http://"), machine.key)
            targets, controller = [peer, ours, proxied], machine.process("controller")
            for at in range(rounds):
                turn = targets[at % len(targets) :] + targets[: at % len(targets)]
                await one_round(docker, turn, folder, f"r{at}", size)
            report(targets, size)
            await known_layers(docker, targets, folder)
            await big_push(peer, {"docker-registry": peer_process}, 2 * GIB)
            await big_push(ours, {"controller": controller}, 2 * GIB)
            await big_push(proxied, {"controller": controller, "agent's proxy": proxy}, 2 * GIB)


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:]]
    asyncio.run(main(given[0] if given else 3, (given[1] if len(given) > 1 else 400) * MB))
