"""Command: what a user may ask of the cluster, already validated."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from draas.model.allocation import NodeId
from draas.model.job import JobId, JobSpec, JobState, ProjectName


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitJobs:
    """New jobs, all or none. `ids` are fresh and in the order of `specs`; needs are ids (names inside a batch are resolved).

    `known` holds the states of needed jobs that are not live any more.
    """

    project: ProjectName
    ids: Sequence[JobId]
    specs: Sequence[JobSpec]
    known: Mapping[JobId, JobState]


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelJob:
    id: JobId


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryJob:
    """Run an ended job again, with its retries afresh; its earlier attempts are kept."""

    id: JobId


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteJob:
    """Forget an ended job and its logs."""

    id: JobId


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchNode:
    """`labels`: a value of None removes the label. `drain`: None leaves it as it is."""

    id: NodeId
    labels: Mapping[str, str | None]
    drain: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveNode:
    """The node leaves for good: its key is revoked, its work re-run elsewhere."""

    id: NodeId


Command = SubmitJobs | CancelJob | RetryJob | DeleteJob | PatchNode | RemoveNode
