"""nginx as this machine's proxy: every change is a reload. What it cannot do as HAProxy does stands in docs/internals/ingress.md."""

import asyncio
import os
import re
import shutil
import signal
from collections import Counter, defaultdict
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path

from draas.ingress import nginx
from draas.ingress.bisect import acceptable
from draas.ingress.folder import (
    end_all,
    hasten_all,
    run,
    running_pid,
    start_daemon,
    stop_daemon,
    why_refused,
    write_files,
)
from draas.ingress.proxy import Applied, ProxyTrouble, Seen
from draas.ingress.serving import Serving
from draas.model.route import AppRoute, Counters

CANDIDATE = "candidate.conf"
DAEMON_PID = "daemon.pid"
RELOAD_TIMEOUT_S = 15.0
LOOK_S = 0.02
_TIME = re.compile(r"[0-9]+\.[0-9]+")  # one for each server that was tried
MAX_LOG_BYTES = 16 * 1024 * 1024


def find_nginx() -> str | None:
    """Where it is; /usr/sbin is often not on PATH."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', os.defpath)}:/usr/local/sbin:/usr/sbin")


class NginxProxy:
    """Implements draas.ingress.proxy.Proxy with the nginx at `program`, run from `folder`."""

    def __init__(self, program: str, folder: Path) -> None:
        self._program = program
        self._folder = folder
        self._pid_file = folder / DAEMON_PID
        self._read_to = 0
        self._requests: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()
        self._answer_s: defaultdict[str, float] = defaultdict(float)
        (folder / "temporary").mkdir(parents=True, exist_ok=True)
        self._log = folder / nginx.ACCESS_LOG
        if self._log.exists():
            self._read_to = self._log.stat().st_size  # counted by an agent before us

    @property
    def alive(self) -> bool:
        return running_pid(self._pid_file, "nginx") is not None

    async def version(self) -> str:
        _, output = await run(self._folder, self._program, "-v")
        found = re.search(r"nginx/([0-9.]+)", output)
        return f"nginx {found[1]}" if found else "nginx"

    async def apply(self, serving: Serving, before: Mapping[str, AppRoute]) -> Applied:
        files = nginx.render(serving)
        if self.alive and self._holds(files):
            return Applied(routes=serving.routes)
        serving, applied = await acceptable(serving, before, self._check)
        write_files(self._folder, nginx.render(serving))
        await (self._reload() if self.alive else self._start())
        return applied

    def _holds(self, files: Mapping[str, str]) -> bool:
        try:
            return all((self._folder / name).read_text() == text for name, text in files.items())
        except OSError:
            return False

    async def _check(self, serving: Serving) -> str:
        write_files(self._folder, nginx.render(serving, CANDIDATE))
        code, output = await run(self._folder, *self._command(CANDIDATE), "-t", "-q")
        return why_refused(output) if code else ""

    def _command(self, config: str) -> tuple[str, ...]:
        return (self._program, "-p", str(self._folder), "-e", "error.log", "-c", config)

    async def _start(self) -> None:
        await end_all(self._folder, "nginx")  # workers outlive a master that was killed, and keep its ports
        await start_daemon(self._folder, self._pid_file, *self._command(nginx.CONFIG), "-g", "daemon off;")
        await self._until_workers(frozenset())
        await asyncio.to_thread(hasten_all, self._folder, "nginx")

    async def _reload(self) -> None:
        pid = running_pid(self._pid_file, "nginx")
        if pid is None:
            raise ProxyTrouble("nginx ended")
        before = _workers(pid)
        os.kill(pid, signal.SIGHUP)
        await self._until_workers(before)

    async def _until_workers(self, before: frozenset[int]) -> None:
        """Until workers other than `before` are there, and these only finish what they have: a kept connection may ask them else."""
        loop = asyncio.get_running_loop()
        until = loop.time() + RELOAD_TIMEOUT_S
        while loop.time() < until and (pid := running_pid(self._pid_file, "nginx")) is not None:
            if _workers(pid) - before and all(map(_is_leaving, before)):
                return
            await asyncio.sleep(LOOK_S)
        raise ProxyTrouble(f"nginx does not take its configuration: {self._last_words()}")

    def _last_words(self) -> str:
        try:
            return why_refused((self._folder / "error.log").read_text(errors="replace")[-4000:])
        except OSError:
            return "it said nothing"

    async def stop(self) -> None:
        await stop_daemon(self._pid_file, "nginx", signal.SIGTERM)
        await end_all(self._folder, "nginx")

    async def look(self, routes: Mapping[str, AppRoute]) -> Seen:
        self._count()
        leaving = {
            endpoint.address: endpoint.id for r in routes.values() for endpoint in r.endpoints if endpoint.draining
        }
        busy = connected_to() if leaving else frozenset()
        return Seen(
            apps={
                app: Counters(
                    requests=self._requests[app], errors=self._errors[app], answer_s=self._answer_s.get(app, 0.0)
                )
                for app in routes
            },
            drained=frozenset(id for address, id in leaving.items() if address not in busy),
        )

    def _count(self) -> None:
        """Read on in the access log; one that grew large is begun anew."""
        try:
            with self._log.open("rb") as file:
                file.seek(self._read_to)
                lines = file.read().split(b"\n")
        except OSError:
            return
        self._read_to += sum(map(len, lines)) + len(lines) - 1 - len(lines[-1])  # a line half written is read next time
        for line, count in Counter(lines[:-1]).items():
            app, _, rest = line.decode(errors="replace").partition(" ")
            status, _, times = rest.partition(" ")
            self._requests[app] += count
            self._errors[app] += count if status.startswith("5") else 0
            self._answer_s[app] += count * sum(map(float, _TIME.findall(times)))
        if self._read_to > MAX_LOG_BYTES:
            os.truncate(self._log, 0)  # nginx appends, so it goes on at the new end
            self._read_to = 0


def _workers(master: int) -> frozenset[int]:
    try:
        return frozenset(map(int, Path(f"/proc/{master}/task/{master}/children").read_text().split()))
    except OSError:
        return frozenset()


def _is_leaving(worker: int) -> bool:
    try:
        return (
            b"shutting down" in Path(f"/proc/{worker}/cmdline").read_bytes()
            or not Path(f"/proc/{worker}/cmdline").read_bytes()
        )
    except OSError:
        return True


def connected_to() -> frozenset[str]:
    """Every address that a TCP connection of this machine goes to, as `host:port`. Source: proc(5), /proc/net/tcp."""
    found: set[str] = set()
    for name in ("tcp", "tcp6"):
        try:
            lines = Path(f"/proc/net/{name}").read_text().splitlines()[1:]
        except OSError:
            continue
        found.update(_address(words[2]) for words in map(str.split, lines) if words[3] == "01")
    return frozenset(found)


def _address(text: str) -> str:
    """`0100007F:1F90` is 127.0.0.1:8080: each group of four bytes in the machine's (little-endian) order."""
    host, _, port = text.partition(":")
    raw = bytes.fromhex(host)
    address = ip_address(b"".join(raw[at : at + 4][::-1] for at in range(0, len(raw), 4)))
    address = getattr(address, "ipv4_mapped", None) or address
    return f"[{address}]:{int(port, 16)}" if address.version == 6 else f"{address}:{int(port, 16)}"
