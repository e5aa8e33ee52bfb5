"""Samples: what a node or an app did over some time. NaN: not known."""

from typing import NamedTuple

NOT_KNOWN = float("nan")


class NodeSample(NamedTuple):
    """Means of a machine's load. Columns are stored in this order: a new one goes to the end."""

    cpu_percent: float
    memory_used_bytes: float
    disk_used_bytes: float
    load_1m: float
    received_bytes_per_s: float
    sent_bytes_per_s: float


class AppSample(NamedTuple):
    """Means of an app's work. Columns are stored in this order: a new one goes to the end.

    `answering` is how many requests waited for the beginning of their answer at once: over `requests_per_s` it is their mean
    latency in seconds (Little's law), also where samples of unlike length or number of requests are put together.
    """

    requests_per_s: float
    errors_per_s: float  # answered 5xx, or not at all
    answering: float
    cpu_cores: float
    memory_bytes: float
    replicas_ready: float
    replicas_wanted: float


class Point(NamedTuple):
    """What was measured in a step of time that began `at` (Unix seconds): the columns of NodeSample or AppSample."""

    at: float
    values: tuple[float, ...]
