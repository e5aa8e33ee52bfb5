"""Bodies: from the bytes of a request to validated values, with bounded memory and bounded time on the event loop."""

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, Request

from draas.lib import clock, ids
from draas.model.errors import Fault, Invalid, TooLarge, Unavailable
from draas.model.job import JobId, JobSpec, RuntimeName
from draas.server.api.faults import MAX_FAULTS, faults_of, unknown_field
from draas.server.api.problems import TooSlow, WrongType
from draas.wire.api import MAX_BATCH, JobBody, to_spec

SINGLE_BYTES = 1024 * 1024
BATCH_BYTES = 64 * 1024 * 1024
BODY_S = 120.0  # a body that takes longer is given up
MAX_NAMES = 1_000  # of one object; the most that any field may have
SLICE_S = 0.008  # how long a batch is worked on before other requests have their turn

B = TypeVar("B", bound=BaseModel)


class _Batch(msgspec.Struct, forbid_unknown_fields=True):
    jobs: msgspec.Raw


_batch = msgspec.json.Decoder(_Batch)
_jobs = msgspec.json.Decoder(list[msgspec.Raw])
_BLANK = b" \t\r\n"
_HEAD = re.compile(rb'\s*\{\s*"jobs"\s*:\s*')


async def read_body(request: Request, limit_bytes: int = SINGLE_BYTES) -> bytes:
    """The whole body. Raises TooLarge, by the announced length or while it comes in, WrongType, TooSlow, Unavailable."""
    headers = request.headers
    if (coding := headers.get("content-encoding", "identity").strip().lower()) != "identity":
        raise WrongType(f"the body is packed ({coding[:80]!r}): send it plain, without Content-Encoding")
    announced = headers.get("content-length", "0")
    kind = headers.get("content-type", "") if announced != "0" or "transfer-encoding" in headers else ""
    if kind and kind.partition(";")[0].strip().lower() != "application/json":
        raise WrongType(f"the body is {kind[:80]!r}: send JSON with Content-Type: application/json")
    if not announced.isascii() or not announced.isdigit() or int(announced[:20]) > limit_bytes:
        raise _too_large(limit_bytes)
    parts, size = [], 0
    try:
        async with asyncio.timeout(BODY_S):
            async for part in request.stream():
                size += len(part)
                if size > limit_bytes:
                    raise _too_large(limit_bytes)
                parts.append(part)
    except TimeoutError:
        raise TooSlow(f"the body did not arrive within {BODY_S:.0f} s: send it again, or in several batches") from None
    except ClientDisconnect:
        raise Unavailable("the connection was closed before the body was complete") from None
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _too_large(limit_bytes: int) -> TooLarge:
    return TooLarge(
        f"the body is larger than {limit_bytes // (1024 * 1024)} MiB: send less, or many jobs in several batches"
    )


def parse(model: type[B], raw: bytes, prefix: str = "") -> B:
    """`raw` as a `model`. Raises Invalid with one fault for each wrong field."""
    try:
        _pairs.decode(raw.decode())
    except _Crowded as wrong:
        raise Invalid("the request is not valid", (Fault(prefix, str(wrong)),)) from None
    except (ValueError, RecursionError):
        pass  # told better below
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        raise Invalid("the request is not valid", faults_of(error, model, prefix)) from None


class _Crowded(Exception):
    pass


def _check_names(pairs: list[tuple[str, Any]]) -> None:
    """Of one object. Readers differ on which of two equal names counts; thousands of wrong ones would take seconds to tell."""
    if len(pairs) > MAX_NAMES:
        raise _Crowded(f"has an object with {len(pairs)} names: at most {MAX_NAMES}")
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise _Crowded(f"names {twice[:128]!r} twice: give it once")


_pairs = json.JSONDecoder(object_pairs_hook=_check_names)


def parse_values(model: type[B], values: Mapping[str, str]) -> B:
    """Query parameters as a `model`. Raises Invalid."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise Invalid("the request is not valid", faults_of(error, model)) from None


def parse_optional(model: type[B], raw: bytes) -> B:
    """The same where a body need not be there."""
    return parse(model, raw if raw.strip() else b"{}")


def parse_job(raw: bytes, prefix: str = "", runtime: RuntimeName = RuntimeName.DOCKER) -> JobSpec:
    """`raw` as a job; `runtime` is for one that asks for neither runtime nor image. Raises Invalid."""
    body = parse(JobBody, raw, prefix)
    try:
        return to_spec(body, runtime)
    except Invalid as wrong:
        if not prefix:
            raise
        faults = tuple(Fault(f"{prefix}.{fault.path}", fault.message) for fault in wrong.faults)
        raise Invalid(wrong.detail, faults) from None


def split_batch(raw: bytes) -> list[msgspec.Raw]:
    """The jobs of a batch, each still in JSON: 3 MB take 4 ms. Raises Invalid."""
    try:
        whole = _batch.decode(raw).jobs
        jobs = _jobs.decode(whole)
    except RecursionError:
        raise Invalid("the request is not valid", (Fault("", "is nested too deeply"),)) from None
    except msgspec.ValidationError as error:
        raise Invalid("the request is not valid", (_batch_fault(str(error)),)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Invalid("the request is not valid", (Fault("", f"invalid JSON: {error}"),)) from None
    before = memoryview(raw).nbytes - len(memoryview(whole))
    if not _HEAD.fullmatch(raw[: before - len(_after(raw))]):
        raise Invalid("the request is not valid", (Fault("", "must have the one name jobs, and that once"),))
    if not 1 <= len(jobs) <= MAX_BATCH:
        told = f"has {len(jobs)} jobs: a batch has 1 to {MAX_BATCH}"
        raise Invalid("the request is not valid", (Fault("jobs", told),))
    return jobs


def _after(raw: bytes) -> bytes:
    """What follows the last value of the object `raw`."""
    return raw[len(raw.rstrip(_BLANK).removesuffix(b"}").rstrip(_BLANK)) :]


def _batch_fault(text: str) -> Fault:
    if "unknown field" in text:
        name = text.partition("`")[2].partition("`")[0]
        return Fault(name, unknown_field(name, ["jobs"]))
    if "missing required field" in text:
        return Fault("jobs", "is required: the jobs of the batch")
    return Fault("jobs", "must be a list of jobs") if "array" in text else Fault("", 'must be {"jobs": [...]}')


async def parse_batch(
    raw: bytes, runtime: RuntimeName = RuntimeName.DOCKER, new_id: Callable[[str], str] = ids.new
) -> tuple[list[JobSpec], list[JobId]]:
    """The specs of a batch and a fresh id for each, needs as given. Other requests have their turn every SLICE_S.

    Raises Invalid with at most MAX_FAULTS faults.
    """
    specs: list[JobSpec] = []
    fresh: list[JobId] = []
    faults: list[Fault] = []
    until = clock.monotonic() + SLICE_S
    for at, job in enumerate(split_batch(raw)):
        try:
            if len(memoryview(job)) > SINGLE_BYTES:
                raise Invalid(
                    "", (Fault(f"jobs[{at}]", "is larger than 1 MiB: put the data where the job can fetch it"),)
                )
            specs.append(parse_job(bytes(job), f"jobs[{at}]", runtime))
            fresh.append(JobId(new_id("j")))
        except Invalid as wrong:
            faults += wrong.faults
            if len(faults) >= MAX_FAULTS:
                break
        if clock.monotonic() > until:
            await asyncio.sleep(0)
            until = clock.monotonic() + SLICE_S
    if faults:
        raise Invalid("the batch is not valid; none of its jobs was taken", tuple(faults[:MAX_FAULTS]))
    return specs, fresh
