"""What crosses the unix socket between agent and supervisor: frames of a length (4 bytes, big-endian) and a msgpack list.

Version 1 (2026-11): first version. The supervisor says its version in Greeting; an agent that does not speak it leaves it alone.
"""

import struct
from collections.abc import Sequence

import msgspec

VERSION = 1
SOCKET = "supervisor.sock"
LOCK = "supervisor.lock"
MAX_FRAME_BYTES = 64 * 1024 * 1024  # a command and its environment may be 2 MB each; many starts share a frame
LENGTH = struct.Struct(">I")


class Ended(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """How a process ended. `cause` is a draas.model Cause other than the exit code's own, with `detail` in words."""

    exit_code: int
    started_at: float
    finished_at: float
    oom: bool = False
    peak_memory_bytes: int | None = None
    cpu_s: float | None = None
    spool_bytes: int = 0
    cause: str = ""
    detail: str = ""


class Held(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One allocation the supervisor holds."""

    id: str
    started_at: float
    exclusive: bool
    ended: Ended | None = None


class ContainerLease(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A container to be killed through the engine's API on `socket` when `until` (monotonic seconds) passes."""

    until: float
    socket: str
    container: str


# --- agent to supervisor; `seq` comes back in the answer ---


class Start(msgspec.Struct, frozen=True, kw_only=True, tag="start", array_like=True):
    """Start `argv` unless this id is held already. Limits of 0 mean none. `until`: the end of its lease in
    monotonic seconds; None where it is not exclusive.
    """

    seq: int
    id: str
    argv: Sequence[bytes]
    env: dict[bytes, bytes]
    memory_bytes: int
    cpu_millis: int
    pids_max: int
    log_cap_bytes: int
    spare_main: bool  # the main process is the sandbox's, which must not get TERM
    until: float | None


class Stop(msgspec.Struct, frozen=True, kw_only=True, tag="stop", array_like=True):
    """TERM, then KILL after `grace_s`. Answered at once; the end comes as an Exit."""

    seq: int
    id: str
    grace_s: float


class Remove(msgspec.Struct, frozen=True, kw_only=True, tag="remove", array_like=True):
    """Kill what runs and delete every trace; answered when it is gone."""

    seq: int
    id: str


class AwaitOutput(msgspec.Struct, frozen=True, kw_only=True, tag="await", array_like=True):
    """Answered once the spool is longer than `position`, or has ended."""

    seq: int
    id: str
    position: int


class Renew(msgspec.Struct, frozen=True, kw_only=True, tag="renew", array_like=True):
    """Until when (monotonic seconds) exclusive processes may run."""

    seq: int
    until: dict[str, float]


class WatchContainers(msgspec.Struct, frozen=True, kw_only=True, tag="containers", array_like=True):
    """The whole set of containers to watch: what is not named is watched no more."""

    seq: int
    leases: dict[str, ContainerLease]


class Quit(msgspec.Struct, frozen=True, kw_only=True, tag="quit", array_like=True):
    """Exit if nothing is held. Not answered."""


# --- supervisor to agent ---


class Greeting(msgspec.Struct, frozen=True, kw_only=True, tag="greeting", array_like=True):
    """First message of a connection. `cgroup` is "v1", "v2" or "", with the reason in `missing`."""

    version: int
    pid: int
    cgroup: str
    missing: str
    held: Sequence[Held]


class Started(msgspec.Struct, frozen=True, kw_only=True, tag="started", array_like=True):
    """`error` says why nothing was started ("" if it was)."""

    seq: int
    started_at: float
    error: str = ""


class Done(msgspec.Struct, frozen=True, kw_only=True, tag="done", array_like=True):
    """Stop, Remove, Renew or WatchContainers is carried out."""

    seq: int


class Output(msgspec.Struct, frozen=True, kw_only=True, tag="output", array_like=True):
    """How long the spool is now, and whether it grows no more."""

    seq: int
    spool_bytes: int
    ended: bool


class Exit(msgspec.Struct, frozen=True, kw_only=True, tag="exit", array_like=True):
    """A process and all it started are gone; sent to every connected agent."""

    id: str
    ended: Ended


ToSupervisor = Start | Stop | Remove | AwaitOutput | Renew | WatchContainers | Quit
FromSupervisor = Greeting | Started | Done | Output | Exit

_encoder = msgspec.msgpack.Encoder()
_to_supervisor = msgspec.msgpack.Decoder(list[ToSupervisor])
_from_supervisor = msgspec.msgpack.Decoder(list[FromSupervisor])


def frame(messages: Sequence[ToSupervisor] | Sequence[FromSupervisor]) -> bytes:
    """One frame."""
    body = _encoder.encode(messages)
    return LENGTH.pack(len(body)) + body


def take_frames(buffer: bytearray) -> list[bytes]:
    """The whole frames at the front of `buffer`, which keeps the rest. Raises ValueError for a length beyond the limit."""
    frames, at = [], 0
    while len(buffer) - at >= LENGTH.size:
        (length,) = LENGTH.unpack_from(buffer, at)
        if length > MAX_FRAME_BYTES:
            raise ValueError(f"a frame of {length} bytes is over the limit of {MAX_FRAME_BYTES}")
        if len(buffer) - at - LENGTH.size < length:
            break
        frames.append(bytes(buffer[at + LENGTH.size : at + LENGTH.size + length]))
        at += LENGTH.size + length
    del buffer[:at]
    return frames


def decode_to_supervisor(body: bytes) -> list[ToSupervisor]:
    """Raises msgspec.MsgspecError where the frame is not what the protocol says."""
    return _to_supervisor.decode(body)


def decode_from_supervisor(body: bytes) -> list[FromSupervisor]:
    """Raises msgspec.MsgspecError where the frame is not what the protocol says."""
    return _from_supervisor.decode(body)
