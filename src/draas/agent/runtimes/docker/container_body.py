"""What a job's container is asked of the engine: pure, so that its tests are equality. Source: Docker Engine API 1.41."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from draas.agent.runtimes.docker import service_body
from draas.model.allocation import AllocationId
from draas.wire.link import Assignment

OWNER = "draas.owner"
ALLOCATION = "draas.allocation"
EXCLUSIVE = "draas.exclusive"
GPUS = "draas.gpus"
LOG_CAP = "draas.log_cap_bytes"

# What programs in ordinary images need to set up files and to drop to an unprivileged user. Left out of Docker's own default:
# NET_RAW (forged packets), MKNOD, AUDIT_WRITE, SYS_CHROOT, SETPCAP, SETFCAP.
CAPABILITIES = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID")
PIDS = 1024  # far above what honest jobs use, far below what hurts the machine
LEAST_MEMORY_BYTES = 6 * 1024 * 1024  # the engine refuses less
CPU_PERIOD_US = 100_000
LEAST_CPU_QUOTA_US = 1_000  # the kernel refuses less
# The engine must not rotate before the cap is reached, or a follower loses lines. Its `local` driver writes under 32 bytes
# around a line, so 32 times the cap holds at least the cap's worth of payload even in lines of one byte; the bound itself
# keeps a job that never stops writing from filling the disk.
LOG_ROOM = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the node decides about a container. `mounts` are binds, `gpus` device numbers."""

    owner: str
    image: str
    network: str
    init: bool
    mounts: tuple[str, ...] = ()
    cgroup_parent: str = ""
    gpus: tuple[int, ...] = ()
    host_ip: str = service_body.LOOPBACK  # where the port of a replica is published


def container_name(id: AllocationId) -> str:
    """The name of an allocation's container."""
    return f"draas-{id}"


def render_labels(assignment: Assignment, around: Surroundings) -> dict[str, str]:
    """Labels: all that a restarted agent must know of the container."""
    return {
        OWNER: around.owner,
        "draas.node": around.owner,
        ALLOCATION: assignment.id,
        "draas.job": assignment.job_id,
        "draas.project": assignment.project,
        "draas.attempt": str(assignment.number),
        EXCLUSIVE: "true" if assignment.exclusive else "false",
        LOG_CAP: str(assignment.log_cap_bytes),
        GPUS: ",".join(map(str, around.gpus)),
        **(service_body.service_labels(assignment.service) if assignment.service is not None else {}),
    }


def render_env(assignment: Assignment) -> list[str]:
    """The user's variables, and ours, which win."""
    ours = {"DRAAS_ALLOCATION_ID": assignment.id, "DRAAS_PROJECT": assignment.project}
    offered: dict[str, str] = {}
    if assignment.service is not None:
        offered = service_body.service_port_env(assignment.service)
        ours |= service_body.service_env(assignment.service)
    else:
        ours |= {"DRAAS_JOB_ID": assignment.job_id, "DRAAS_ATTEMPT": str(assignment.number)}
    return [f"{name}={value}" for name, value in {**offered, **assignment.env, **ours}.items()]


def render_command(command: str | tuple[str, ...]) -> tuple[list[str], list[str]]:
    """(Entrypoint, Cmd). The entry point is always set, so that the image's own neither runs nor adds words."""
    words = ["sh", "-c", command] if isinstance(command, str) else list(command)
    return words[:1], words[1:]


def render_limits(assignment: Assignment) -> dict[str, Any]:
    """CPU, memory and process limits. Nothing asked for (0) means no limit of that kind."""
    asked = assignment.resources
    limits: dict[str, Any] = {"PidsLimit": PIDS}
    if asked.memory_bytes > 0:
        memory = max(asked.memory_bytes, LEAST_MEMORY_BYTES)
        limits |= {"Memory": memory, "MemorySwap": memory}  # equal: no swap
    if asked.cpu_millis > 0:
        # Not NanoCpus: the engine refuses more than the machine has, and owners may allot more.
        quota = max(asked.cpu_millis * CPU_PERIOD_US // 1000, LEAST_CPU_QUOTA_US)
        limits |= {"CpuPeriod": CPU_PERIOD_US, "CpuQuota": quota, "CpuShares": max(asked.cpu_millis * 1024 // 1000, 2)}
    return limits


def render_container(assignment: Assignment, around: Surroundings) -> dict[str, Any]:
    """The body of POST /containers/create."""
    host: dict[str, Any] = {
        **render_limits(assignment),
        "NetworkMode": around.network,
        "Init": around.init,
        "CapDrop": ["ALL"],
        "CapAdd": list(CAPABILITIES),
        "SecurityOpt": ["no-new-privileges:true"],
        "IpcMode": "private",
        "RestartPolicy": {"Name": "no"},
        "CgroupParent": around.cgroup_parent,
        "Binds": list(around.mounts),
        "LogConfig": render_log_config(assignment.log_cap_bytes),
    }
    if around.gpus:
        devices = [str(number) for number in around.gpus]
        host["DeviceRequests"] = [{"Driver": "", "DeviceIDs": devices, "Capabilities": [["gpu"]]}]
    body: dict[str, Any] = {
        "Image": around.image,
        "Env": render_env(assignment),
        "Labels": render_labels(assignment, around),
        "AttachStdout": False,
        "AttachStderr": False,
        "HostConfig": host,
    }
    if assignment.command:
        body["Entrypoint"], body["Cmd"] = render_command(assignment.command)
    else:  # an image's own entry point may itself insist on being process 1 (s6-overlay)
        host["Init"] = False
    if (service := assignment.service) is not None:
        host |= service_body.service_ports(service, around.host_ip)
        host["LogConfig"] = render_log_config(assignment.log_cap_bytes, service_body.LOG_ROOM)
        body["ExposedPorts"] = service_body.exposed(service)
        body["Healthcheck"] = {
            "Test": ["NONE"]
        }  # the agent's probes have the say; the image's own would cost CPU for nothing
    return body


def render_log_config(cap_bytes: int, room: int = LOG_ROOM) -> dict[str, Any]:
    """The `local` driver keeps bytes as they are (json-file replaces what is not UTF-8) and is read twice as fast."""
    size = max(cap_bytes, 1024 * 1024) * room
    return {"Type": "local", "Config": {"max-size": str(size), "max-file": "1", "compress": "false"}}


def pick_gpus(count: int, taken: set[int]) -> tuple[int, ...]:
    """The lowest `count` device numbers that are free: the engine's own `Count` would give every job the same ones."""
    picked: list[int] = []
    number = 0
    while len(picked) < count:
        if number not in taken:
            picked.append(number)
        number += 1
    return tuple(picked)


def gpus_in(labels: Mapping[str, str]) -> set[int]:
    """The device numbers that a container of ours holds."""
    return {int(number) for number in labels.get(GPUS, "").split(",") if number}
