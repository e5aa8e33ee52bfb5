"""Bounds: what an agent may say. A broken or hostile one must not put figures into the books that nobody can show or store."""

from collections.abc import Iterable

from draas.model.allocation import Observed
from draas.model.build import MAX_DOCKERFILE_BYTES, Built
from draas.model.node import Facts, Load
from draas.model.probe import Served
from draas.model.resources import Resources
from draas.model.route import Counters, Ingress
from draas.wire.link import FromAgent, Heartbeat, Hello, LogChunk, Report, Traffic, Usage, Usages

MAX_COUNT = 2**53  # bytes and the like: exact in JSON, and far from the 64 bits of a database
MAX_TIME = 253_402_300_799.0  # the last second of the year 9999
MAX_TEXT = 16 * 1024
MAX_ENTRIES = 10_000
MAX_PUSHED = 100  # names of one image


def in_bounds(message: FromAgent) -> bool:
    """Whether every figure of `message` is finite and sensible, and every text of a sensible length."""
    match message:
        case Heartbeat(mono=mono, load=load, facts=facts):
            return 0 <= mono <= MAX_TIME and _load(load) and (facts is None or _facts(facts))
        case Report(observed=observed):
            return all(map(_observed, observed.values()))
        case LogChunk(offset=offset):
            return 0 <= offset <= MAX_COUNT
        case Hello(name=name, facts=facts, sent_at=sent_at, have=have):
            return len(name) <= MAX_TEXT and _time(sent_at) and _facts(facts) and all(map(_observed, have.values()))
        case Usages(replicas=replicas):
            return len(replicas) <= MAX_ENTRIES and all(map(_usage, replicas.values()))
        case Traffic(apps=apps, faults=faults):
            return len(apps) <= MAX_ENTRIES and all(map(_counters, apps.values())) and _texts(faults.values())


def _observed(seen: Observed) -> bool:
    return (
        len(seen.detail) <= MAX_TEXT
        and (seen.started_at is None or _time(seen.started_at))
        and (seen.finished_at is None or _time(seen.finished_at))
        and (seen.exit_code is None or -(2**31) <= seen.exit_code < 2**32)
        and (seen.peak_memory_bytes is None or _count(seen.peak_memory_bytes))
        and (seen.cpu_s is None or 0 <= seen.cpu_s <= MAX_TIME)
        and (seen.log_bytes is None or _count(seen.log_bytes))
        and len(seen.image) <= MAX_TEXT
        and (seen.served is None or _served(seen.served))
        and (seen.built is None or _built(seen.built))
    )


def _built(seen: Built) -> bool:
    return (
        _texts((seen.image, seen.platform, seen.kind, *seen.pushed))
        and len(seen.pushed) <= MAX_PUSHED
        and len(seen.dockerfile) <= MAX_DOCKERFILE_BYTES
        and _count(seen.size_bytes)
        and (seen.port is None or 0 < seen.port < 65536)
    )


def _served(seen: Served) -> bool:
    return _texts((seen.detail, seen.endpoint)) and _time(seen.since)


def _usage(usage: Usage) -> bool:
    return _count(usage.cpu_millis) and _count(usage.memory_bytes)


def _counters(counted: Counters) -> bool:
    counts = (counted.requests, counted.errors, counted.open, counted.waiting)
    return all(map(_count, counts)) and 0 <= counted.answer_s <= MAX_COUNT


def _ingress(said: Ingress) -> bool:
    ports = (said.http_port, said.https_port)
    faults = (text for fault in said.faults.items() for text in fault)
    return all(0 <= port < 65536 for port in ports) and all(
        map(_texts, ((said.proxy, said.address, said.missing, said.dns), faults))
    )


def _load(load: Load) -> bool:
    counts = (load.memory_used_bytes, load.memory_total_bytes, load.disk_used_bytes, load.disk_total_bytes)
    rates = (load.received_bytes_per_s or 0.0, load.sent_bytes_per_s or 0.0)
    return (
        0 <= load.cpu_percent <= 1_000_000
        and 0 <= load.load_1m <= 1_000_000_000
        and all(map(_count, counts))
        and all(0 <= rate <= MAX_COUNT for rate in rates)
    )


def _facts(facts: Facts) -> bool:
    tags = (tag for image in facts.images for tag in (image.id, *image.tags))
    labels = (text for label in facts.labels.items() for text in label)
    infos = (text for one in facts.runtimes for text in (one.version, one.isolation, one.missing))
    short = (facts.arch, facts.os, facts.address, facts.version)
    lists = (facts.images, facts.labels, facts.gpus, facts.roles, facts.runtimes)
    return (
        _capacity(facts.capacity)
        and all(len(entries) <= MAX_ENTRIES for entries in lists)
        and all(_count(image.size_bytes) for image in facts.images)
        and (facts.ingress is None or _ingress(facts.ingress))
        and all(map(_texts, (short, facts.gpus, facts.roles, tags, labels, infos)))
    )


def _capacity(amount: Resources) -> bool:
    return all(map(_count, (amount.cpu_millis, amount.memory_bytes, amount.gpus)))


def _texts(texts: Iterable[str]) -> bool:
    return all(len(text) <= MAX_TEXT for text in texts)


def _count(value: int) -> bool:
    return 0 <= value <= MAX_COUNT


def _time(at: float) -> bool:
    return 0 <= at <= MAX_TIME
