"""Stored forms: how jobs, specs, nodes and apps are kept as bytes. The first byte is the form, the rest is msgpack.

Form 1 (2026-11): first form. Job bodies are arrays in the order of the fields below (a third of the size of maps, and
they are rewritten with each state); a new field goes to the end and has a default. Specs, nodes, apps and the
details of events are maps by field name, written once or seldom; a new field with a default needs nothing here. Anything that an
older program would misread is a new form.
"""

from collections.abc import Mapping, Sequence
from struct import error as StructError
from struct import pack, unpack
from typing import Any, TypeVar

import msgspec

from draas.model.allocation import Allocation, AllocationId, Cause, Desired, NodeId
from draas.model.allocation import AllocationState as State
from draas.model.app import App
from draas.model.build import Built
from draas.model.certificate import Certificate
from draas.model.job import Job, JobId, JobSpec, JobState, ProjectName
from draas.model.node import Node
from draas.model.probe import Served
from draas.model.registry import RegistryLogin
from draas.store.store import StoreFailure

FORM = 1
_MARK = bytes([FORM])
T = TypeVar("T")


class StoredObserved(msgspec.Struct, frozen=True, array_like=True):
    """Observed, as an array."""

    state: State
    detail: str
    cause: Cause
    started_at: float | None
    finished_at: float | None
    exit_code: int | None
    oom: bool
    peak_memory_bytes: int | None
    cpu_s: float | None
    log_bytes: int | None
    image: str = ""
    served: Served | None = None
    built: Built | None = None


class StoredAttempt(msgspec.Struct, frozen=True, array_like=True):
    """Allocation, as an array."""

    id: AllocationId
    number: int
    node_id: NodeId
    node_name: str
    assigned_at: float
    desired: Desired
    stop_cause: Cause
    observed: StoredObserved


class StoredJob(msgspec.Struct, frozen=True, array_like=True):
    """What changes in a Job, as an array: all but its spec and what the table has as columns."""

    created_at: float
    ready_at: float
    queued_at: float | None
    finished_at: float | None
    failures: int
    lost: int
    unmet: tuple[JobId, ...]
    reason: str
    attempts: tuple[StoredAttempt, ...]


_encode = msgspec.msgpack.Encoder().encode
_job = msgspec.msgpack.Decoder(StoredJob)
_spec = msgspec.msgpack.Decoder(JobSpec)
_node = msgspec.msgpack.Decoder(Node)
_app = msgspec.msgpack.Decoder(App)
_certificate = msgspec.msgpack.Decoder(Certificate)
_registry = msgspec.msgpack.Decoder(RegistryLogin)
_detail = msgspec.msgpack.Decoder(dict[str, str | int | float | bool | None])


def encode_job(job: Job) -> bytes:
    """The part of `job` that changes."""
    return _MARK + _encode(msgspec.convert(job, StoredJob, from_attributes=True))


def encode_spec(spec: JobSpec) -> bytes:
    return _MARK + _encode(spec)


def encode_node(node: Node) -> bytes:
    return _MARK + _encode(node)


def encode_app(app: App) -> bytes:
    return _MARK + _encode(app)


def encode_certificate(certificate: Certificate) -> bytes:
    return _MARK + _encode(certificate)


def encode_registry(login: RegistryLogin) -> bytes:
    return _MARK + _encode(login)


def encode_values(values: Sequence[float]) -> bytes:
    """A sample's columns, as 32-bit floats: the one body without a form. A new column goes to the end."""
    return pack(f"<{len(values)}f", *values)


def decode_values(body: bytes) -> tuple[float, ...]:
    """Raises StoreFailure for what is no sample."""
    try:
        return unpack(f"<{len(body) // 4}f", body)
    except StructError as error:
        raise StoreFailure(f"the database holds a sample that cannot be read ({error}): restore a backup") from error


def encode_detail(detail: Mapping[str, Any]) -> bytes:
    return _MARK + _encode(detail)


def decode_job(id: str, project: str, seq: int, state: str, body: bytes, spec: bytes) -> Job:
    """A job from its columns. Raises StoreFailure for a newer form and for what is no job."""
    kept = _decode(_job, body)
    return Job(
        id=JobId(id),
        project=ProjectName(project),
        seq=seq,
        spec=decode_spec(spec),
        state=JobState(state),
        created_at=kept.created_at,
        ready_at=kept.ready_at,
        queued_at=kept.queued_at,
        finished_at=kept.finished_at,
        failures=kept.failures,
        lost=kept.lost,
        unmet=kept.unmet,
        reason=kept.reason,
        attempts=decode_attempts(kept),
    )


def decode_attempts(kept: StoredJob) -> tuple[Allocation, ...]:
    return msgspec.convert(kept.attempts, tuple[Allocation, ...], from_attributes=True) if kept.attempts else ()


def decode_stored_job(body: bytes) -> StoredJob:
    """Raises StoreFailure for a newer form and for what is no job."""
    return _decode(_job, body)


def decode_spec(body: bytes) -> JobSpec:
    """Raises StoreFailure for a newer form and for what is no spec."""
    return _decode(_spec, body)


def decode_node(body: bytes) -> Node:
    """Raises StoreFailure for a newer form and for what is no node."""
    return _decode(_node, body)


def decode_app(body: bytes) -> App:
    """Raises StoreFailure for a newer form and for what is no app."""
    return _decode(_app, body)


def decode_certificate(body: bytes) -> Certificate:
    """Raises StoreFailure for a newer form and for what is no certificate."""
    return _decode(_certificate, body)


def decode_registry(body: bytes) -> RegistryLogin:
    """Raises StoreFailure for a newer form and for what is no login."""
    return _decode(_registry, body)


def decode_detail(body: bytes) -> Mapping[str, str | int | float | bool | None]:
    """Raises StoreFailure for a newer form and for what is no detail of an event."""
    return _decode(_detail, body)


def _decode(decoder: "msgspec.msgpack.Decoder[T]", body: bytes) -> T:
    if not body or body[0] > FORM:
        form = body[0] if body else "none"
        raise StoreFailure(
            f"the database holds form {form}, this version reads up to {FORM}: a newer draas wrote it, use that version"
        )
    try:
        return decoder.decode(memoryview(body)[1:])
    except msgspec.MsgspecError as error:
        raise StoreFailure(f"the database holds a record that cannot be read ({error}): restore a backup") from error
