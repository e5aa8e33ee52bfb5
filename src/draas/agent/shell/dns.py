"""The DNS role's shell: keeps dnsmasq running by what draas.ingress.dns renders, and its names up to date."""

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path

import msgspec

from draas.ingress.dns import (
    LOOPBACK_DOMAIN,
    MISSING,
    NO_DOMAIN,
    NO_INGRESS,
    DnsSetup,
    Names,
    forwards,
    render_arguments,
    render_hosts,
)
from draas.ingress.folder import start_daemon
from draas.ingress.proxy import ProxyTrouble
from draas.lib import log
from draas.lib.backoff import full_jitter
from draas.lib.ids import digest
from draas.lib.values import replace
from draas.wire.link import Routes

PROGRAM = "dnsmasq"
SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")  # not on every user's PATH
AGAIN_BASE_S = 0.5
AGAIN_CAP_S = 30.0
LOOK_S = 1.0  # how soon its death is noticed
STEADY_S = 0.3  # one that cannot bind its port ends at once
STOP_S = 5.0
POLL_S = 0.05


class DnsServer:
    """Answers names. `take` tells it what; `run` for ever; `answers_at` and `missing` say how it is.

    dnsmasq runs on where the agent ends, as containers and the proxy do, and is adopted by the next one.
    """

    def __init__(self, setup: DnsSetup, folder: Path) -> None:
        self.setup = setup
        self.answers_at = ""  # HOST:PORT while it does
        self.missing = ""
        self._folder = folder
        self._names = Names()
        self._wake = asyncio.Event()

    def take(self, routes: Routes) -> None:
        """Answer by `routes` from now on."""
        self._names = self._names.take(routes)
        self._wake.set()

    async def run(self) -> None:
        """Keep it answering until cancelled. What it knew last is answered at once, before the controller has said anything."""
        kept = await asyncio.to_thread(_load, self._folder)
        if not self._names.domain:  # else the controller was quicker
            self._names = kept
        if self.setup.forward and not forwards(self.setup):
            log.warning(
                "other names are refused: forwarding them on a public address would serve the whole internet",
                address=self.setup.address,
            )
        failures = 0
        while True:
            try:
                ended = await self._serve()
            except (OSError, ProxyTrouble) as error:  # a full disk, or no more processes
                self._say_missing(f"dnsmasq cannot be run: {error}")
                ended = True
            failures = failures + 1 if ended else 0
            if ended:
                await self._wake_within(full_jitter(failures, base_s=AGAIN_BASE_S, cap_s=AGAIN_CAP_S, chance=1.0))

    async def close(self) -> None:
        """End it if it answers no app's name; else it runs on."""
        if not render_hosts(self._names):
            await stop_dns(self._folder)
            if (public := _public(self._folder)) != self._folder:
                await asyncio.to_thread(shutil.rmtree, public, ignore_errors=True)

    async def _serve(self) -> bool:
        """Bring dnsmasq to what is wanted, and wait until that changes. Returns whether it ended, or cannot be had."""
        self._wake.clear()
        names, program = self._names, find_program()
        if not names.domain:
            await self._wake.wait()
            return False
        if program is None or names.domain == LOOPBACK_DOMAIN:
            await stop_dns(self._folder)
            self._say_missing(MISSING if program is None else NO_DOMAIN)
            return True
        hosts = await asyncio.to_thread(_write_names, self._folder, names)
        arguments = (program, *render_arguments(self.setup, names.domain, str(hosts)))
        pid = _running(self._folder)
        if pid is not None and _words(pid) == arguments:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGHUP)
        else:
            await stop_dns(self._folder)
            await asyncio.to_thread((self._folder / "daemon.log").unlink, missing_ok=True)
            await start_daemon(self._folder, _pid_file(self._folder), *arguments)
            await self._wake_within(STEADY_S)
        return await self._watch()

    async def _watch(self) -> bool:
        """Until it ends (True) or its names change (False)."""
        while _running(self._folder) is not None:
            self._say_answering()
            if await self._wake_within(LOOK_S):
                return False
        told = await asyncio.to_thread(_last_words, self._folder)
        self._say_missing(f"dnsmasq ended: {told or 'it said nothing'}")
        return True

    async def _wake_within(self, span_s: float) -> bool:
        """Whether the names changed within `span_s`."""
        try:
            await asyncio.wait_for(self._wake.wait(), span_s)
        except TimeoutError:
            return False
        return True

    def _say_answering(self) -> None:
        address = f"[{self.setup.address}]" if ":" in self.setup.address else self.setup.address
        if not self.answers_at:
            log.info("names are answered", at=f"{address}:{self.setup.port}", domain=self._names.domain)
        self.answers_at = f"{address}:{self.setup.port}"
        lacking = NO_INGRESS if self._names.hosts and not self._names.addresses else ""
        if lacking and lacking != self.missing:
            log.warning("names lead nowhere", reason=lacking)
        self.missing = lacking

    def _say_missing(self, reason: str) -> None:
        if reason != self.missing:
            log.warning("no names are answered here", reason=reason)
        self.answers_at, self.missing = "", reason


def find_program() -> str | None:
    """dnsmasq's path; None where it is not installed."""
    return shutil.which(PROGRAM, path=os.pathsep.join((os.environ.get("PATH", os.defpath), *SBIN)))


async def stop_dns(folder: Path) -> None:
    """End the dnsmasq of an agent with this folder, if one runs."""
    for sent in (signal.SIGTERM, signal.SIGKILL):
        for _ in range(round(STOP_S / POLL_S)):
            if (pid := _running(folder)) is None:
                return
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, sent)
            await asyncio.sleep(POLL_S)


def _pid_file(folder: Path) -> Path:
    return folder / "dnsmasq.pid"


def _public(folder: Path) -> Path:
    """Where the hosts file is: as root in a place that dnsmasq, which gives up our rights, can read."""
    if os.geteuid() != 0:
        return folder
    return Path("/run") / f"draas-dns-{digest(str(folder))[:12]}"


def _running(folder: Path) -> int | None:
    """The pid of the dnsmasq of this folder, if it lives."""
    try:
        pid = int(_pid_file(folder).read_text())
    except (OSError, ValueError):
        return None
    return pid if f"--addn-hosts={_public(folder) / 'hosts'}" in _words(pid) else None


def _words(pid: int) -> Sequence[str]:
    """A process's command line; empty where there is none, or where it has ended."""
    try:
        return tuple(Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1])
    except OSError:
        return ()


def _last_words(folder: Path) -> str:
    """What it said last, without its own name in front."""
    try:
        lines = (folder / "daemon.log").read_text(errors="replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1].removeprefix("dnsmasq: ")[:300] if lines else ""


def _load(folder: Path) -> Names:
    """What was kept, to be replaced by the first order that comes."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        kept = msgspec.json.decode((folder / "names.json").read_bytes(), type=Names)
    except (OSError, msgspec.MsgspecError):
        return Names()
    return replace(kept, at=(0, 0))


def _write_names(folder: Path, names: Names) -> Path:
    """Keep `names` for the next start, and make the hosts file, whose path is returned."""
    public = _public(folder)
    public.mkdir(mode=0o755, exist_ok=True)
    _write(public / "hosts", render_hosts(names).encode(), 0o644)
    _write(folder / "names.json", msgspec.json.encode(names), 0o600)
    return public / "hosts"


def _write(path: Path, content: bytes, mode: int) -> None:
    """Whole or not at all."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_bytes(content)
    temporary.chmod(mode)
    os.replace(temporary, path)
