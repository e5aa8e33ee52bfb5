"""A Docker Engine for this machine: `plan_engine` decides what to do, `ensure_engine` does it.

Nothing here is needed for host jobs: whatever cannot be had becomes one line that says what is missing, and DRaaS goes on.
"""

import asyncio
import contextlib
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

LOCAL_HOST = "unix:///var/run/docker.sock"
# busybox-static is what the sample image is made of where no image can be pulled.
PACKAGES = {"docker.io": "dockerd", "iptables": "iptables", "busybox-static": "busybox"}
SBIN = "/usr/local/sbin:/usr/sbin:/sbin"  # often not on PATH, even for root
LOG = Path("/var/log/draas-dockerd.log")
PID_FILE = Path("/var/run/docker.pid")
PING_TIMEOUT_S = 3.0
INSTALL_TIMEOUT_S = 900.0
START_TIMEOUT_S = 60.0  # a first start on a slow disk makes its storage and iptables chains
POLL_S = 0.1

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineFacts:
    """What was found. `host` as in DOCKER_HOST; `refused` whether its socket is there but closed to this user."""

    host: str = LOCAL_HOST
    answers: bool = False
    refused: bool = False
    dockerd: str | None = None
    missing_packages: tuple[str, ...] = ()
    root: bool = False
    apt: bool = False
    systemd: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallPackages:
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StartUnit:
    """Have systemd start the engine, now and at every boot."""

    unit: str = "docker.service"


@dataclass(frozen=True, slots=True, kw_only=True)
class StartDaemon:
    """Start dockerd by hand, so that it outlives us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GoWithout:
    """No engine. `missing` is the one line that says what is missing and how to get it."""

    missing: str


Step = InstallPackages | StartUnit | StartDaemon | GoWithout


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOutcome:
    """Whether an engine answers on `host`; if not, `missing` says in one line what to do. `pid`: a dockerd that was started by hand."""

    host: str
    answers: bool
    missing: str = ""
    pid: int | None = None


def plan_engine(facts: EngineFacts) -> tuple[Step, ...]:
    """The steps from `facts` to an engine that answers; none where one does already."""
    if facts.answers:
        return ()
    if facts.refused:
        return (
            GoWithout(missing=f"{facts.host} is closed to this user: sudo usermod -aG docker $USER, then log in again"),
        )
    if facts.host != LOCAL_HOST:
        return (
            GoWithout(
                missing=f"no Docker Engine answers on DOCKER_HOST={facts.host}: start it there, or unset DOCKER_HOST"
            ),
        )
    start: Step = StartUnit() if facts.systemd else StartDaemon()
    if facts.dockerd is not None:
        return (
            (start,)
            if facts.root
            else (GoWithout(missing=_as_root(facts, "Docker Engine is installed but not running")),)
        )
    if not facts.root:
        return (GoWithout(missing=_as_root(facts, "Docker Engine is not installed")),)
    if not facts.apt:
        return (
            GoWithout(
                missing="Docker Engine is not installed and this is not Debian or Ubuntu: see docs.docker.com/engine/install"
            ),
        )
    return (InstallPackages(names=facts.missing_packages), start)


def _as_root(facts: EngineFacts, lack: str) -> str:
    if facts.dockerd is not None:
        return f"{lack}; as root: {'systemctl enable --now docker' if facts.systemd else 'dockerd'}"
    return f"{lack}; as root: {'apt-get install docker.io' if facts.apt else 'see docs.docker.com/engine/install'}"


class EngineTrouble(Exception):
    """A step that failed; its text is one line for the user."""


async def ensure_engine(say: Say, environ: Mapping[str, str] = os.environ) -> EngineOutcome:
    """Have a Docker Engine answer on this machine, installing and starting it where that is possible. Never raises for a lack.

    Idempotent. `say` is told each step before it is taken, and in the end what is missing.
    """
    facts = await look(environ)
    try:
        pid = await perform(plan_engine(facts), facts.host, say)
    except EngineTrouble as trouble:
        say(f"no containers on this machine, host jobs only: {trouble}")
        return EngineOutcome(host=facts.host, answers=False, missing=str(trouble))
    return EngineOutcome(host=facts.host, answers=True, pid=pid)


async def perform(steps: Sequence[Step], host: str, say: Say) -> int | None:
    """Take the steps in order; returns the pid of a dockerd started by hand. Raises EngineTrouble at the first that cannot be taken."""
    pid = None
    for step in steps:
        match step:
            case InstallPackages():
                await install_packages(step.names, say)
            case StartUnit():
                await _start_unit(step, host, say)
            case StartDaemon():
                pid = await _start_daemon(host, say)
            case GoWithout():
                raise EngineTrouble(step.missing)
            case _:
                assert_never(step)
    return pid


async def look(environ: Mapping[str, str] = os.environ) -> EngineFacts:
    """The facts of this machine."""
    host = environ.get("DOCKER_HOST") or LOCAL_HOST
    return EngineFacts(
        host=host,
        answers=await engine_answers(host),
        refused=is_closed_to_us(host),
        dockerd=_find("dockerd"),
        missing_packages=tuple(package for package, program in PACKAGES.items() if _find(program) is None),
        root=os.geteuid() == 0,
        apt=_find("apt-get") is not None,
        systemd=runs_systemd(),
    )


def is_closed_to_us(host: str) -> bool:
    """Whether `host` is a socket that exists and that this user may not open."""
    socket = Path(host.removeprefix("unix://"))
    return host.startswith("unix://") and socket.exists() and not os.access(socket, os.R_OK | os.W_OK)


def runs_systemd() -> bool:
    """Whether systemd is what started this machine. Source: sd_booted(3)."""
    return Path("/run/systemd/system").is_dir()


def _find(program: str) -> str | None:
    return shutil.which(program, path=f"{os.environ.get('PATH', os.defpath)}:{SBIN}")


async def engine_answers(host: str) -> bool:
    """Whether a Docker Engine answers on `host` (as in DOCKER_HOST) within PING_TIMEOUT_S."""
    import aiodocker  # here, because whoever only wants the plan should not pay for it

    try:
        async with asyncio.timeout(PING_TIMEOUT_S), aiodocker.Docker(url=host) as engine:
            await engine.version()
    except (aiodocker.DockerError, OSError, TimeoutError, ValueError):
        return False
    return True


async def install_packages(names: Sequence[str], say: Say) -> None:
    """Install Debian packages, as root. Raises EngineTrouble with one line where that fails."""
    say(f"installing Debian packages: {' '.join(names)}")
    await _run("apt-get", "-qq", "-o", "DPkg::Lock::Timeout=120", "update", timeout_s=INSTALL_TIMEOUT_S)
    install = ("apt-get", "-qq", "-o", "DPkg::Lock::Timeout=120", "install", "-y", "--no-install-recommends")
    await _run(*install, *names, timeout_s=INSTALL_TIMEOUT_S)


async def _run(*command: str, timeout_s: float) -> str:
    """Run `command` and return what it printed. Raises EngineTrouble with its last line where it fails."""
    environment = {
        **os.environ,
        "DEBIAN_FRONTEND": "noninteractive",
        "PATH": f"{os.environ.get('PATH', os.defpath)}:{SBIN}",
    }
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environment,
    )
    try:
        async with asyncio.timeout(timeout_s):
            output = (await process.communicate())[0].decode(errors="replace")
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):  # it has ended just now
            process.kill()
        await process.wait()
        raise EngineTrouble(f"`{' '.join(command)}` took longer than {timeout_s:.0f} s") from None
    if process.returncode:
        last = (output.strip().splitlines() or [f"exit code {process.returncode}"])[-1]
        raise EngineTrouble(f"`{' '.join(command)}` failed: {last}")
    return output


async def _start_unit(step: StartUnit, host: str, say: Say) -> None:
    say("starting Docker Engine (systemd)")
    await _run("systemctl", "enable", "--now", step.unit, timeout_s=START_TIMEOUT_S)
    await _wait_until_it_answers(host, lambda: True, f"see journalctl -u {step.unit}")


async def _start_daemon(host: str, say: Say) -> int:
    dockerd = _find("dockerd")
    if dockerd is None:
        raise EngineTrouble("the packages are installed, but dockerd is not there")
    say(f"starting Docker Engine: {dockerd}, log in {LOG}")
    forget_dead_daemon(PID_FILE)
    # Through a shell that ends at once, so that dockerd is init's child and not ours: it must outlive us and every Ctrl-C.
    detached = f'setsid "{dockerd}" --host={host} --pidfile={PID_FILE} </dev/null >>{LOG} 2>&1 & echo $!'
    written_before = len(read_bytes(LOG))
    pid = int(await _run("sh", "-c", detached, timeout_s=START_TIMEOUT_S))
    try:
        await _wait_until_it_answers(host, lambda: is_running(pid), f"its log is {LOG}")
    except EngineTrouble as trouble:
        for line in last_lines(LOG, written_before, 5):
            say(f"dockerd: {line}")
        raise trouble from None
    return pid


async def _wait_until_it_answers(host: str, alive: Callable[[], bool], where: str) -> None:
    loop = asyncio.get_running_loop()
    until = loop.time() + START_TIMEOUT_S
    while not await engine_answers(host):
        if not alive():
            raise EngineTrouble(f"dockerd ended while starting; {where}")
        if loop.time() > until:
            raise EngineTrouble(f"dockerd did not answer within {START_TIMEOUT_S:.0f} s; {where}")
        await asyncio.sleep(POLL_S)


def forget_dead_daemon(pid_file: Path) -> None:
    """Remove a pid file that a power cut left: dockerd refuses to start while any process has that pid."""
    try:
        pid = int(pid_file.read_text())
    except (OSError, ValueError):
        return
    try:
        name = Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        name = ""
    if name != "dockerd":
        pid_file.unlink(missing_ok=True)


def is_running(pid: int) -> bool:
    """Whether process `pid` exists and is no zombie (proc(5): the state follows the name in brackets)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def last_lines(file: Path, start: int, count: int) -> list[str]:
    """The last `count` lines that `file` has after byte `start`."""
    return read_bytes(file)[start:].decode(errors="replace").splitlines()[-count:]


def read_bytes(file: Path) -> bytes:
    """What `file` holds; nothing where it cannot be read."""
    try:
        return file.read_bytes()
    except OSError:
        return b""


if __name__ == "__main__":
    sys.exit(0 if asyncio.run(ensure_engine(lambda line: print(line, flush=True))).answers else 1)
