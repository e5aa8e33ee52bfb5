"""What this machine can build with: the engine, a docker command that speaks BuildKit with it, and where limits can be set."""

import asyncio
import json
import os
import socket
import struct
from pathlib import Path
from typing import Any

from draas.agent.runtimes.build.docker_command import PATH, build_environment
from draas.agent.runtimes.build.group import BuildGroup
from draas.agent.runtimes.build.order import Builder, Engine
from draas.agent.runtimes.docker.api import EngineApi, EngineAway, EngineError

TRY_TIMEOUT_S = 10.0
SETTINGS = "/etc/docker/daemon.json"
DEFAULT_GROUP = "/docker"
FIRST_WITH_PLUGIN = 23  # from here on docker's own command has no BuildKit: it is in the plugin buildx


async def find_engine(api: EngineApi, forced: Builder | None = None) -> tuple[Engine | None, str]:
    """The engine as builds use it, or None; and one line on what is missing for the better one, or for any."""
    if not api.local:
        return (
            None,
            f"builds need an engine on this machine, and {api.address} is another's: set DOCKER_HOST to a unix socket",
        )
    try:
        version = await api.call("GET", "version", timeout_s=TRY_TIMEOUT_S)
        info = await api.call("GET", "info", timeout_s=TRY_TIMEOUT_S)
    except (EngineAway, EngineError) as error:
        return None, f"Docker Engine is not running: {error}"
    if not os.access(info["DockerRootDir"], os.F_OK):
        return (
            None,
            f"the engine's folder {info['DockerRootDir']} is not on this machine, so that its disk cannot be watched",
        )
    return await _choose(api.address, version, info, forced)


async def _choose(
    url: str, version: dict[str, Any], info: dict[str, Any], forced: Builder | None
) -> tuple[Engine | None, str]:
    group = engine_group(url)
    missing = await asyncio.to_thread(_trouble_with_groups, info, group)
    cli = "" if missing or forced == "classic" else await find_cli(url)
    if not missing and not cli and forced != "classic":
        missing = "no docker command here speaks BuildKit: apt-get install docker.io, or docker-buildx-plugin beside docker-ce-cli"
    builder: Builder = "buildkit" if cli else "classic"
    engine = Engine(
        url=url,
        version=version["Version"],
        platform=f"{version['Os']}/{version['Arch']}",
        builder=builder,
        root=info["DockerRootDir"],
        cli=cli,
        group=group if cli else "",
    )
    return engine, f"builds have the classic builder, without secrets in RUN steps: {missing}" if missing else ""


def _trouble_with_groups(info: dict[str, Any], parent: str) -> str:
    """Why BuildKit's steps could not be held within limits; "" where they can."""
    if info.get("CgroupDriver") != "cgroupfs":
        return f"BuildKit's steps can be limited with the cgroup driver cgroupfs alone, and this engine has {info.get('CgroupDriver')}"
    if os.geteuid() != 0:
        return "BuildKit's steps can be limited by root alone"
    try:
        group = BuildGroup(parent, Path("/nonexistent"))
        group.make()
    except OSError as error:
        return f"BuildKit's control group cannot be made ({error.strerror}: {error.filename})"
    return "" if group.version else "no control groups are mounted at /sys/fs/cgroup"


def engine_group(url: str) -> str:
    """The control group that the engine behind this socket puts its containers into, by its arguments or its settings."""
    arguments = _arguments_of(_peer(url.removeprefix("unix://")))
    given = _argument(arguments, "--cgroup-parent")
    if not given:
        try:
            given = str(
                json.loads(Path(_argument(arguments, "--config-file") or SETTINGS).read_text()).get("cgroup-parent", "")
            )
        except (OSError, ValueError):
            given = ""
    return "/" + given.strip("/") if given.strip("/") else DEFAULT_GROUP


def _peer(path: str) -> int:
    try:
        with socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(TRY_TIMEOUT_S)
            asking.connect(path)
            return int(struct.unpack("3i", asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0])
    except OSError:
        return 0


def _arguments_of(pid: int) -> list[str]:
    """Of the engine, also where systemd listens for it."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
        if "dockerd" in words[0]:
            return words
        return Path(f"/proc/{int(Path('/var/run/docker.pid').read_text())}/cmdline").read_text().split("\0")
    except (OSError, ValueError):
        return []


def _argument(words: list[str], name: str) -> str:
    for number, word in enumerate(words):
        if word == name:
            return words[number + 1] if number + 1 < len(words) else ""
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
    return ""


async def find_cli(url: str) -> str:
    """The first docker command on the usual path that can have this engine build with BuildKit; "" where none can."""
    for cli in await asyncio.to_thread(_docker_commands):
        told = await _ask(cli, "--host", url, "version", "--format", "{{.Client.Version}}")
        if told is None:
            continue
        major = told.split(".", 1)[0]
        if major.isdigit() and (int(major) < FIRST_WITH_PLUGIN or await _ask(cli, "buildx", "version") is not None):
            return cli
    return ""


def _docker_commands() -> list[str]:
    found = [f"{folder}/docker" for folder in PATH.split(":") if os.access(f"{folder}/docker", os.X_OK)]
    return list(dict.fromkeys(os.path.realpath(path) for path in found))


async def _ask(*words: str) -> str | None:
    """What a short command says; None where it fails."""
    try:
        process = await asyncio.create_subprocess_exec(
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=build_environment(Path("/nonexistent")),
        )
    except OSError:
        return None
    try:
        async with asyncio.timeout(TRY_TIMEOUT_S):
            said, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return None
    return said.decode(errors="replace").strip() if process.returncode == 0 else None
