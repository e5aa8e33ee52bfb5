"""The DNS role's shell: keeps dnsmasq running by what draas.ingress.dns renders, and its names up to date."""

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
from pathlib import Path

import msgspec
import structlog

from draas.ingress.dns import (
    LOOPBACK_DOMAIN,
    MISSING,
    NO_DOMAIN,
    DnsSetup,
    Names,
    forwards,
    render_arguments,
    render_hosts,
)
from draas.lib.backoff import full_jitter
from draas.lib.values import replace
from draas.wire.link import Routes

log = structlog.get_logger(__name__)

PROGRAM = "dnsmasq"
SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")  # not on every user's PATH
AGAIN_BASE_S = 0.5
AGAIN_CAP_S = 30.0
STOP_S = 5.0
STEADY_S = 0.3  # one that cannot bind its port ends at once


class DnsServer:
    """Answers names. `take` tells it what; `run` for ever; `answers_at` and `missing` say how it is."""

    def __init__(self, setup: DnsSetup, folder: Path) -> None:
        self.setup = setup
        self.answers_at = ""  # HOST:PORT while it does
        self.missing = ""
        self._folder = folder
        self._names = Names()
        self._wake = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None
        self._arguments: tuple[str, ...] = ()
        self._last_words = ""
        self._listening: asyncio.Future[None] | None = None

    def take(self, routes: Routes) -> None:
        """Answer by `routes` from now on."""
        self._names = self._names.take(routes)
        self._wake.set()

    async def run(self) -> None:
        """Keep it answering until cancelled. What it knew last is answered at once, before the controller has said anything."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        kept = await asyncio.to_thread(_load, self._kept)
        if not self._names.domain:  # else the controller was quicker
            self._names = kept
        if self.setup.forward and not forwards(self.setup):
            log.warning(
                "other names are refused: forwarding them on a public address would serve the whole internet",
                address=self.setup.address,
            )
        public = _public_folder()
        failures = 0
        try:
            await self._end_left_over()
            while True:
                try:
                    ended = await self._serve(public / "hosts")
                except OSError as error:  # a full disk, or no more processes
                    self._say_missing(f"dnsmasq cannot be run: {error}")
                    ended = True
                failures = failures + 1 if ended else 0
                if ended:
                    wait_s = full_jitter(failures, base_s=AGAIN_BASE_S, cap_s=AGAIN_CAP_S, chance=1.0)
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._wake.wait(), wait_s)
        finally:
            await self._stop()
            shutil.rmtree(public, ignore_errors=True)

    @property
    def _kept(self) -> Path:
        return self._folder / "names.json"

    @property
    def _pid_file(self) -> Path:
        return self._folder / "dnsmasq.pid"

    async def _serve(self, hosts: Path) -> bool:
        """Bring dnsmasq to what is wanted, and wait until that changes. Returns whether it ended, or cannot be had."""
        self._wake.clear()
        names, program = self._names, find_program()
        if not names.domain:
            await self._wake.wait()
            return False
        if program is None or names.domain == LOOPBACK_DOMAIN:
            await self._stop()
            self._say_missing(MISSING if program is None else NO_DOMAIN)
            return True
        await asyncio.to_thread(_write_names, hosts, self._kept, names)
        arguments = (program, *render_arguments(self.setup, names.domain, str(hosts), str(self._pid_file)))
        if self._process is not None and arguments == self._arguments and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGHUP)
        else:
            await self._stop()
            await self._start(arguments)
        return await self._watch()

    async def _watch(self) -> bool:
        """Until it ends (True) or its names change (False)."""
        assert self._process is not None
        ending = asyncio.ensure_future(self._process.wait())
        waking = asyncio.ensure_future(self._wake.wait())
        try:
            done, _ = await asyncio.wait({ending, waking}, timeout=STEADY_S, return_when=asyncio.FIRST_COMPLETED)
            if ending not in done:
                self._say_answering()
                await asyncio.wait({ending, waking}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ending.cancel()
            waking.cancel()
        if self._process.returncode is None:
            return False
        self._say_missing(f"dnsmasq ended ({self._process.returncode}): {self._last_words or 'it said nothing'}")
        return True

    async def _start(self, arguments: tuple[str, ...]) -> None:
        self._arguments = arguments
        self._last_words = ""
        self._process = await asyncio.create_subprocess_exec(
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        assert self._process.stderr is not None
        self._listening = asyncio.ensure_future(self._listen(self._process.stderr))

    async def _listen(self, words: asyncio.StreamReader) -> None:
        with contextlib.suppress(ValueError):  # a line beyond all limits
            async for line in words:
                self._last_words = line.decode(errors="replace").strip()[:300]

    async def _stop(self) -> None:
        process, self._process, self.answers_at = self._process, None, ""
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP_S)
        except TimeoutError:
            process.kill()
            await process.wait()
        if self._listening is not None:
            await self._listening

    async def _end_left_over(self) -> None:
        """End the one that an agent which was killed has left: it holds the port."""
        try:
            pid = int(await asyncio.to_thread(self._pid_file.read_text))
        except (OSError, ValueError):
            return
        for sent in (signal.SIGTERM, signal.SIGKILL):
            for _ in range(int(STOP_S / 0.05)):
                if not _is_ours(pid, self._pid_file):
                    return
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, sent)
                await asyncio.sleep(0.05)

    def _say_answering(self) -> None:
        address = f"[{self.setup.address}]" if ":" in self.setup.address else self.setup.address
        if not self.answers_at:
            log.info("names are answered", at=f"{address}:{self.setup.port}", domain=self._names.domain)
        self.answers_at, self.missing = f"{address}:{self.setup.port}", ""

    def _say_missing(self, reason: str) -> None:
        if reason != self.missing:
            log.warning("no names are answered here", reason=reason)
        self.answers_at, self.missing = "", reason


def find_program() -> str | None:
    """dnsmasq's path; None where it is not installed."""
    return shutil.which(PROGRAM, path=os.pathsep.join((os.environ.get("PATH", os.defpath), *SBIN)))


def _public_folder() -> Path:
    """A new folder that dnsmasq, which gives up our rights, can read."""
    parent = "/run" if os.geteuid() == 0 and Path("/run").is_dir() else None
    folder = Path(tempfile.mkdtemp(prefix="draas-dns-", dir=parent))
    folder.chmod(0o755)
    return folder


def _is_ours(pid: int, pid_file: Path) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return f"--pid-file={pid_file}".encode() in words


def _load(path: Path) -> Names:
    """What was kept, to be replaced by the first order that comes."""
    try:
        kept = msgspec.json.decode(path.read_bytes(), type=Names)
    except (OSError, msgspec.MsgspecError):
        return Names()
    return replace(kept, at=(0, 0))


def _write_names(hosts: Path, kept: Path, names: Names) -> None:
    hosts.parent.mkdir(mode=0o755, exist_ok=True)
    _write(hosts, render_hosts(names).encode(), 0o644)
    _write(kept, msgspec.json.encode(names), 0o600)


def _write(path: Path, content: bytes, mode: int) -> None:
    """Whole or not at all."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_bytes(content)
    temporary.chmod(mode)
    os.replace(temporary, path)
