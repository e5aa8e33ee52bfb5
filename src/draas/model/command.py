"""Command: what a user may ask of the cluster, already validated."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from draas.model.allocation import NodeId
from draas.model.app import AppId
from draas.model.app_spec import AppSpec
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


@dataclass(frozen=True, slots=True, kw_only=True)
class PutApp:
    """The app should be so. `id` is used where it is new. The same spec again changes nothing."""

    id: AppId
    project: ProjectName
    name: str
    spec: AppSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleApp:
    """So many replicas. The bounds of the app's spec are moved where they are in the way; 0 stops it."""

    name: str
    replicas: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartApp:
    """Replace every replica, as a roll-out of the same release would."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackApp:
    """A new release with the content of `release`; None: of the one before the live one."""

    name: str
    release: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DecideCanary:
    """Roll the canary out to all, or take it back."""

    name: str
    promote: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveApp:
    """Containers, routes, names and rows go."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RebalanceApps:
    """Move replicas so that they are spread over the nodes that are there now. `name` None: of all apps of `project`."""

    project: ProjectName | None = None
    name: str | None = None


JobCommand = SubmitJobs | CancelJob | RetryJob | DeleteJob
NodeCommand = PatchNode | RemoveNode
AppCommand = PutApp | ScaleApp | RestartApp | RollbackApp | DecideCanary | RemoveApp | RebalanceApps
Command = JobCommand | NodeCommand
