"""Job: something to run to its end, and its attempts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NewType

from draas.model.allocation import Allocation
from draas.model.build import BuildSpec
from draas.model.resources import MIB, Resources

JobId = NewType("JobId", str)
ProjectName = NewType("ProjectName", str)

DEFAULT_PROJECT = ProjectName("default")
SAMPLE_IMAGE = "draas/busybox:latest"  # agents make it themselves where no image can be pulled
MAX_RETRIES = 3  # 4 attempts: beyond that it is not chance any more
MAX_LOST = 8  # a job that loses this many machines is taken to be what breaks them


class RuntimeName(StrEnum):
    DOCKER = "docker"
    PROCESS = "process"
    BUILD = "build"  # source in, image out: see draas.model.build


class JobKind(StrEnum):
    """What a job is called where people see it: a build is a job that makes an image."""

    JOB = "job"
    BUILD = "build"


class JobState(StrEnum):
    WAITING = "waiting"
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"


# queued > succeeded and failed: a short job can be over before its start was reported.
# running > queued: the attempt failed or its node was lost, and another one is due.
# failed, cancelled and skipped > queued or waiting: the user asked for a retry.
_AGAIN = frozenset({JobState.WAITING, JobState.QUEUED})
JOB_TABLE = {
    JobState.WAITING: frozenset({JobState.QUEUED, JobState.CANCELLED, JobState.SKIPPED}),
    JobState.QUEUED: frozenset({JobState.RUNNING, JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED}),
    JobState.RUNNING: frozenset({JobState.QUEUED, JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED}),
    JobState.SUCCEEDED: _AGAIN,
    JobState.FAILED: _AGAIN,
    JobState.CANCELLED: _AGAIN,
    JobState.SKIPPED: _AGAIN,
}
JOB_ENDS = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED, JobState.SKIPPED})


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """What the user asked for. `command`: a string is run by `sh -c`, a tuple as it is. `timeout_s` counts from the start."""

    command: str | tuple[str, ...]
    name: str = ""
    image: str | None = None  # None: the controller's default image (docker) or none (process)
    runtime: RuntimeName = RuntimeName.DOCKER
    resources: Resources = Resources(cpu_millis=1000, memory_bytes=256 * MIB)
    env: Mapping[str, str] = field(default_factory=dict)
    priority: int = 50  # 0 to 100, larger runs earlier
    retries: int = 0
    timeout_s: float | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    constraints: tuple[str, ...] = ()  # for example "node.arch == amd64"
    needs: tuple[JobId, ...] = ()
    exclusive: bool = False
    architectures: tuple[str, ...] = ()  # that `image` is for, where the controller knows: no other node gets it
    build: BuildSpec | None = None  # of the runtime `build`, and of that alone

    @property
    def kind(self) -> JobKind:
        return JobKind.JOB if self.build is None else JobKind.BUILD


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job and its story. `seq` is its place in the order of arrival; times are Unix seconds."""

    id: JobId
    project: ProjectName
    seq: int
    spec: JobSpec
    state: JobState
    created_at: float
    ready_at: float = 0.0  # not placed before: a retry waits
    queued_at: float | None = None
    finished_at: float | None = None
    failures: int = 0  # attempts that used up a retry
    lost: int = 0  # attempts that did not, for their node was lost or failed them
    unmet: tuple[JobId, ...] = ()  # needs that have not succeeded yet
    reason: str = ""  # why it is in this state, in words
    attempts: tuple[Allocation, ...] = ()

    @property
    def ended(self) -> bool:
        return self.state in JOB_ENDS

    @property
    def current(self) -> Allocation | None:
        """The attempt that holds resources, if any."""
        last = self.attempts[-1] if self.attempts else None
        return last if last is not None and not last.ended else None

    @property
    def live(self) -> bool:
        """Whether the controller still has something to do about it: live jobs are in memory, others in SQL only."""
        return not self.ended or self.current is not None
