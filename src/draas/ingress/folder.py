"""The folder that a proxy runs from: files replaced whole, commands run in it, and a daemon that outlives its starter."""

import asyncio
import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from draas.ingress.proxy import ProxyTrouble
from draas.lib.promptness import find_named, hasten

COMMAND_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 5.0
POLL_S = 0.02


def write_files(folder: Path, files: Mapping[str, str]) -> None:
    """Replace each file that differs, whole, readable by us alone."""
    for name, text in files.items():
        write_file(folder / name, text)


def write_file(path: Path, text: str) -> None:
    """Replace `path` if it holds another text."""
    try:
        if path.read_text() == text:
            return
    except (OSError, ValueError):
        pass
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as out:
        out.write(text)
    os.replace(fresh, path)


async def run(folder: Path, *command: str) -> tuple[int, str]:
    """Exit code and output of `command`, run in `folder`. Raises ProxyTrouble where it does not end in time."""

    def run_it() -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )

    # Not asyncio's own: under uvloop what is started keeps our end of the pipe open, and a daemon never lets go of it.
    try:
        done = await asyncio.to_thread(run_it)
    except subprocess.TimeoutExpired:
        raise ProxyTrouble(f"`{command[0]}` took longer than {COMMAND_TIMEOUT_S:.0f} s") from None
    return done.returncode, done.stdout.decode(errors="replace")


def why_refused(output: str) -> str:
    """The line of a proxy's complaint that says most: the first error, without the program's own prefix."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if re.search(r"\[ALERT\]|\[emerg\]", line)] or lines[-1:] or ["no reason given"]
    return re.sub(r"^.*?(?:config : |\[emerg\][^:]*: )", "", errors[0])[:300]


async def start_daemon(folder: Path, pid_file: Path, *command: str) -> None:
    """Start `command` in a session of its own and note its pid; it is no child of ours that would end with us.

    It starts through a shell that ends at once, so that init reaps it.
    """
    quoted = " ".join(f"'{word}'" for word in command)
    script = f"{quoted} </dev/null >/dev/null 2>>daemon.log & echo $! >{pid_file.name}"
    # Not by the event loop's own way: uvloop lets the daemon inherit the pipes, whose end is then never seen.
    code = await asyncio.to_thread(
        subprocess.call, ("setsid", "sh", "-c", script), cwd=folder, timeout=COMMAND_TIMEOUT_S
    )
    if code:
        raise ProxyTrouble(f"`{command[0]}` cannot be started: exit code {code}")
    for _ in range(round(STOP_TIMEOUT_S / POLL_S)):  # until the shell's child has become it
        if running_pid(pid_file, Path(command[0]).name) is not None:
            return
        await asyncio.sleep(POLL_S)


def running_pid(pid_file: Path, program: str) -> int | None:
    """The pid in `pid_file`, if that process lives and is `program` run from the file's folder."""
    try:
        pid = int(pid_file.read_text())
        name = Path(f"/proc/{pid}/comm").read_text().strip()
        folder = os.readlink(f"/proc/{pid}/cwd")
        ended = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (OSError, ValueError):
        return None
    return pid if name == program and folder == str(pid_file.parent.resolve()) and not ended else None


async def end_all(folder: Path, program: str) -> None:
    """End every process of `program` that runs from `folder`."""
    for _ in range(round(STOP_TIMEOUT_S / POLL_S)):
        pids = _running_from(folder, program)
        if not pids:
            return
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        await asyncio.sleep(POLL_S)


def hasten_all(folder: Path, program: str) -> None:
    """Have every process of `program` that runs from `folder` come before what merely computes."""
    for pid in _running_from(folder, program):
        hasten(pid)


def _running_from(folder: Path, program: str) -> list[int]:
    found = []
    for pid in find_named(program):
        with contextlib.suppress(OSError):
            found += [pid] if os.readlink(f"/proc/{pid}/cwd") == str(folder.resolve()) else []
    return found


async def stop_daemon(pid_file: Path, program: str, how: signal.Signals) -> None:
    """End the daemon, by force where it does not go."""
    for sent in (how, signal.SIGKILL):
        if (pid := running_pid(pid_file, program)) is not None:
            os.kill(pid, sent)
            await _until_gone(pid_file, program)


async def _until_gone(pid_file: Path, program: str) -> None:
    for _ in range(round(STOP_TIMEOUT_S / POLL_S)):
        if running_pid(pid_file, program) is None:
            return
        await asyncio.sleep(POLL_S)
