"""What the agent measures of its machine: capacity, load, disk, GPUs."""

import asyncio
import os
import platform
import shutil
from collections.abc import Iterable
from pathlib import Path

import psutil

from draas.agent.observe.network import Network
from draas.lib import clock
from draas.lib.disk import Disk, disk_of
from draas.model.node import Load
from draas.model.resources import Resources

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}
GPU_QUERY_TIMEOUT_S = 10.0


def architecture() -> str:
    """This machine's architecture by Docker's name."""
    machine = platform.machine()
    return _ARCHITECTURES.get(machine, machine)


def capacity(cpus: float | None, memory_bytes: int | None, gpus: int) -> Resources:
    """What the machine has, or what its owner allots of it where given."""
    cores = cpus if cpus is not None else float(len(os.sched_getaffinity(0)))
    memory = memory_bytes if memory_bytes is not None else int(psutil.virtual_memory().total)
    return Resources(cpu_millis=round(cores * 1000), memory_bytes=memory, gpus=gpus)


def fullest_disk(folders: Iterable[Path]) -> Disk:
    """The fullest of the disks that hold `folders`; those that are not there do not count."""
    return max((disk_of(one) for one in folders if one.is_dir()), key=lambda disk: disk.share, default=Disk())


def measure_load(folders: Iterable[Path], network: Network) -> Load:
    """Use of the whole machine now; `cpu_percent` and the network since the previous call.

    The disk is the fullest of those that hold `folders`.
    """
    memory = psutil.virtual_memory()
    disk = fullest_disk(folders)
    received, sent = network.rates(clock.monotonic())
    return Load(
        cpu_percent=psutil.cpu_percent(),
        memory_used_bytes=int(memory.total - memory.available),
        disk_used_bytes=disk.used_bytes,
        disk_total_bytes=disk.total_bytes,
        load_1m=psutil.getloadavg()[0],
        received_bytes_per_s=received,
        sent_bytes_per_s=sent,
    )


async def list_gpus() -> tuple[str, ...]:
    """The models of this machine's NVIDIA GPUs; none is fine."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    process = await asyncio.create_subprocess_exec(
        program,
        "--query-gpu=name",
        "--format=csv,noheader",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), GPU_QUERY_TIMEOUT_S)
    except TimeoutError:
        process.kill()
        await process.wait()
        return ()
    return tuple(line.strip() for line in output.decode(errors="replace").splitlines() if line.strip())
