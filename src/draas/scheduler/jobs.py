"""Jobs: what a command or a report means for a job and for those that need it. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter

from draas.lib.backoff import equal_jitter
from draas.lib.values import replace
from draas.model.allocation import Allocation, AllocationId, AllocationState, Cause, Desired, Observed
from draas.model.cluster import Cluster
from draas.model.command import SubmitJobs
from draas.model.errors import Conflict, Fault, Invalid
from draas.model.event import Event
from draas.model.image_name import CLUSTER_HOST
from draas.model.job import JOB_TABLE, MAX_LOST, Job, JobId, JobState
from draas.model.node import Node
from draas.model.plan import EMPTY, Plan, merge
from draas.model.policy import Policy
from draas.model.state import advance

# Failures that say nothing against the job: they cost it no retry.
NODE_CAUSES = frozenset({Cause.RUNTIME, Cause.DISK, Cause.NODE_LOST, Cause.LEASE, Cause.DRAINED})
# Of these, what the machine had no part in either: the controller was away, or a person wanted it.
_NOBODYS_FAULT = frozenset({Cause.LEASE, Cause.DRAINED})
SLICE_JOBS = 200  # of a batch at a time: some 10 ms
_FAILED_NEEDS = frozenset({JobState.FAILED, JobState.CANCELLED, JobState.SKIPPED})


def event_of(job: Job, now: float, **detail: str | int | float | bool | None) -> Event:
    """The event that `job` is now in its state."""
    if job.spec.name:
        detail["name"] = job.spec.name
    return Event(at=now, kind=f"{job.spec.kind}.{job.state}", subject=job.id, project=job.project, detail=detail)


def move(job: Job, state: JobState, **changes: object) -> Job:
    """`job` in `state`, by the table."""
    return replace(job, state=advance(JOB_TABLE, job.state, state, job), **changes)


# --- submitting ---


def submit_jobs(cluster: Cluster, command: SubmitJobs, known: Mapping[JobId, JobState], now: float) -> Plan:
    """New jobs, queued, waiting for their needs, or skipped where a need has failed already.

    `known` holds the states of needed jobs that are not live.
    Raises Invalid for an unknown need or a cycle.
    """
    by_id = {job.id: job for plan in submit_in_slices(cluster, command, known, now) for job in plan.jobs}
    jobs = tuple(by_id[job_id] for job_id in command.ids)
    return Plan(jobs=jobs, events=tuple(event_of(job, now) for job in jobs))


def submit_in_slices(
    cluster: Cluster, command: SubmitJobs, known: Mapping[JobId, JobState], now: float
) -> Iterator[Plan]:
    """The same, some hundred jobs at a time. Whatever is wrong is raised before the first plan; they may be applied as they come."""
    states = _states_of_needs(cluster, command, known)
    _check_no_cycle(command)
    first, fresh, made = cluster.next_seq, dict[JobId, JobState](), list[Job]()
    for place in _in_order_of_needs(command):
        job_id, spec = command.ids[place], command.specs[place]
        needed = {need: fresh[need] if need in fresh else states[need] for need in spec.needs}
        job = Job(
            id=job_id,
            project=command.project,
            seq=first + place,
            spec=spec,
            state=JobState.WAITING,
            created_at=now,
        )
        job = _with_needs(job, needed, now)
        fresh[job_id] = job.state
        made.append(job)
        if len(made) == SLICE_JOBS:
            yield Plan(jobs=tuple(made), events=tuple(event_of(one, now) for one in made))
            made = []
    yield Plan(jobs=tuple(made), events=tuple(event_of(one, now) for one in made))


def _with_needs(job: Job, needed: Mapping[JobId, JobState], now: float) -> Job:
    """A job that has not begun, in the state that its needs' states imply."""
    broken = [need for need, state in needed.items() if state in _FAILED_NEEDS]
    if broken:
        return replace(
            job, state=JobState.SKIPPED, unmet=(), finished_at=now, reason=_skip_reason(broken[0], needed[broken[0]])
        )
    unmet = tuple(need for need, state in needed.items() if state is not JobState.SUCCEEDED)
    if unmet:
        return replace(job, state=JobState.WAITING, unmet=unmet, reason="")
    return replace(job, state=JobState.QUEUED, unmet=(), queued_at=now, ready_at=now, reason="")


def _skip_reason(need: JobId, state: JobState) -> str:
    return f"needs {need}, which {'was ' if state is not JobState.FAILED else ''}{state}"


def _states_of_needs(cluster: Cluster, command: SubmitJobs, known: Mapping[JobId, JobState]) -> dict[JobId, JobState]:
    batch = frozenset(command.ids)
    states: dict[JobId, JobState] = {}
    faults = []
    for place, spec in enumerate(command.specs):
        for need in spec.needs:
            if need in batch:
                continue
            live = cluster.jobs.get(need)
            if live is not None and live.project == command.project:
                states[need] = live.state
            elif live is None and need in known:
                states[need] = known[need]
            else:
                faults.append(Fault(f"jobs[{place}].needs", f"there is no job {need!r} in this project"))
    if faults:
        raise Invalid(faults[0].message, tuple(faults[:20]))
    return states


def _check_no_cycle(command: SubmitJobs) -> None:
    if not any(spec.needs for spec in command.specs):
        return
    try:
        _sorter(command).prepare()
    except CycleError as error:
        cycle = " > ".join(str(place) for place in error.args[1])
        raise Invalid(
            f"jobs need one another in a circle: {cycle}",
            (Fault(f"jobs[{error.args[1][0]}].needs", f"takes part in a circle of needs: jobs {cycle}"),),
        ) from None


def _sorter(command: SubmitJobs) -> TopologicalSorter[int]:
    places = {job_id: place for place, job_id in enumerate(command.ids)}
    sorter: TopologicalSorter[int] = TopologicalSorter()
    for place, spec in enumerate(command.specs):
        sorter.add(place, *(places[need] for need in spec.needs if need in places))
    return sorter


def _in_order_of_needs(command: SubmitJobs) -> Iterable[int]:
    if any(spec.needs for spec in command.specs):
        return _sorter(command).static_order()
    return range(len(command.specs))


# --- what users may do to a job ---


def cancel_job(cluster: Cluster, job: Job, now: float) -> Plan:
    """Cancelled at once and for good; what runs of it is told to stop. Cancelling twice changes nothing.

    Raises Conflict where it has ended otherwise.
    """
    if job.state is JobState.CANCELLED:
        return EMPTY
    if job.ended:
        raise Conflict(f"{job.spec.kind} {job.id} has {job.state} already; there is nothing to cancel")
    held = job.current
    attempts = job.attempts
    if held is not None:
        attempts = (*job.attempts[:-1], replace(held, desired=Desired.STOP, stop_cause=Cause.CANCELLED))
    return _end(cluster, move(job, JobState.CANCELLED, attempts=attempts, finished_at=now, reason="cancelled"), now)


def retry_job(job: Job, needed: Mapping[JobId, JobState], now: float) -> Plan:
    """An ended job begins again with all its retries; earlier attempts stay.

    Raises Conflict where it has not ended, or is still being stopped.
    """
    if not job.ended:
        raise Conflict(f"{job.spec.kind} {job.id} is {job.state}; only a {job.spec.kind} that has ended can be retried")
    if job.live:
        raise Conflict(
            f"{job.spec.kind} {job.id} is still being stopped on {job.attempts[-1].node_name}; try again in a moment"
        )
    target = JobState.WAITING if any(state is not JobState.SUCCEEDED for state in needed.values()) else JobState.QUEUED
    begun = move(job, target, failures=0, lost=0, finished_at=None, queued_at=None)
    renewed = _with_needs(begun, needed, now)
    if renewed.state is JobState.SKIPPED:
        raise Conflict(f"job {job.id} {renewed.reason}; retry that one first")
    return Plan(jobs=(renewed,), events=(event_of(renewed, now, retried=True),))


def delete_job(job: Job, now: float) -> Plan:
    """Forget an ended job. Nothing waits for it: its end has released or skipped what did. Raises Conflict where it is live."""
    if not job.ended:
        raise Conflict(f"{job.spec.kind} {job.id} is {job.state}; cancel it first, and wait until it has stopped")
    if job.live:
        raise Conflict(
            f"{job.spec.kind} {job.id} is still being stopped on {job.attempts[-1].node_name}; try again in a moment"
        )
    gone = Event(at=now, kind=f"{job.spec.kind}.deleted", subject=job.id, project=job.project)
    return Plan(gone_jobs=(job.id,), events=(gone,))


# --- what becomes of an attempt ---


def assign_jobs(cluster: Cluster, placed: Iterable[tuple[JobId, Node]], now: float) -> Plan:
    """A new attempt for each placed job. Its id says whose it is, so that no chance is needed to make one."""
    jobs = []
    for job_id, node in placed:
        job = cluster.jobs[job_id]
        number = len(job.attempts) + 1
        attempt = Allocation(
            id=AllocationId(f"{job_id}.{number}"), number=number, node_id=node.id, node_name=node.name, assigned_at=now
        )
        jobs.append(replace(job, attempts=(*job.attempts, attempt), reason=""))
    return Plan(jobs=tuple(jobs))


def observe(cluster: Cluster, job: Job, observed: Observed, policy: Policy, now: float, chance: float) -> Plan:
    """What the agent saw of the job's current attempt, and what follows from it."""
    held = job.current
    if held is None:
        return EMPTY
    attempt = held.observe(observed)
    seen = replace(job, attempts=(*job.attempts[:-1], attempt))
    if not attempt.ended:
        if attempt.state is AllocationState.RUNNING and job.state is JobState.QUEUED:
            running = move(seen, JobState.RUNNING)
            return Plan(
                jobs=(running,), events=(event_of(running, now, node=attempt.node_name, attempt=attempt.number),)
            )
        return Plan(jobs=(seen,))
    return _attempt_ended(cluster, seen, attempt, policy, now, chance)


def lose(cluster: Cluster, job: Job, cause: Cause, detail: str, policy: Policy, now: float) -> Plan:
    """The current attempt is given up: its node is gone, or says that it has no such thing."""
    held = job.current
    if held is None:
        return EMPTY
    observed = replace(held.observed, state=AllocationState.LOST, cause=cause, detail=detail, finished_at=now)
    return observe(cluster, job, observed, policy, now, 0.0)


def _attempt_ended(cluster: Cluster, job: Job, attempt: Allocation, policy: Policy, now: float, chance: float) -> Plan:
    if job.ended:  # cancelled while it ran: that stays so, whatever the attempt made of it
        return Plan(jobs=(job,))
    observed = attempt.observed
    lacking = _lacking_image(job, observed)
    if observed.state is AllocationState.SUCCEEDED and not lacking:
        return _end(cluster, move(job, JobState.SUCCEEDED, finished_at=observed.finished_at or now, reason=""), now)
    if observed.cause is Cause.REFUSED:
        return _end(cluster, move(job, JobState.FAILED, finished_at=now, reason=observed.detail), now)
    if observed.state in (AllocationState.LOST, AllocationState.STOPPED) or observed.cause in NODE_CAUSES:
        return _after_loss(cluster, job, attempt, policy, now, chance)
    detail, failures = lacking or observed.detail, job.failures + 1
    if failures > job.spec.retries:
        failed = move(job, JobState.FAILED, failures=failures, finished_at=observed.finished_at or now, reason=detail)
        return _end(cluster, failed, now)
    wait_s = equal_jitter(failures, base_s=policy.retry_base_s, cap_s=policy.retry_cap_s, chance=chance)
    reason = f"attempt {attempt.number} failed ({detail}); retry {failures} of {job.spec.retries} in {wait_s:.1f} s"
    return _queue_again(replace(job, failures=failures), reason, now, wait_s)


def _lacking_image(job: Job, observed: Observed) -> str:
    """What is wrong with a build that ended well and has no image of its own to show; "" where nothing is."""
    build, built = job.spec.build, observed.built
    if build is None or observed.state is not AllocationState.SUCCEEDED:
        return ""
    if built is None:
        return "it ended well, but its node told of no image: update the agent there"
    if not built.image.startswith(f"{CLUSTER_HOST}/{build.repository}@"):
        return f"its node told of an image that is none of {build.repository}: update the agent there"
    return ""


def _after_loss(cluster: Cluster, job: Job, attempt: Allocation, policy: Policy, now: float, chance: float) -> Plan:
    detail = attempt.observed.detail or str(attempt.observed.cause)
    reason = f"attempt {attempt.number} on {attempt.node_name}: {detail}"
    if attempt.observed.cause in _NOBODYS_FAULT:
        wait_s = equal_jitter(1, base_s=policy.retry_base_s, cap_s=policy.retry_cap_s, chance=chance)
        return _queue_again(job, reason, now, wait_s)
    lost = job.lost + 1
    if lost > MAX_LOST:
        given_up = (
            f"given up after {lost} attempts that ended with their machine; the last on {attempt.node_name}: {detail}"
        )
        return _end(cluster, move(job, JobState.FAILED, lost=lost, finished_at=now, reason=given_up), now)
    # The first loss is bad luck and costs no time; a machine that fails one job after another must not do so in a tight loop.
    wait_s = (
        0.0
        if lost == 1
        else equal_jitter(lost - 1, base_s=policy.retry_base_s, cap_s=policy.retry_cap_s, chance=chance)
    )
    return _queue_again(replace(job, lost=lost), reason, now, wait_s)


def _queue_again(job: Job, reason: str, now: float, wait_s: float) -> Plan:
    state = JobState.QUEUED if job.state is JobState.QUEUED else advance(JOB_TABLE, job.state, JobState.QUEUED, job)
    queued = replace(job, state=state, reason=reason, ready_at=now + wait_s, queued_at=now)
    return Plan(jobs=(queued,), events=(event_of(queued, now, reason=reason),))


def _end(cluster: Cluster, job: Job, now: float) -> Plan:
    """`job` in its final state, and what that means for those that need it: queued, or skipped with all that need them."""
    last = job.attempts[-1] if job.attempts else None
    ended = event_of(job, now, reason=job.reason or None, exit_code=last.observed.exit_code if last else None)
    if job.state is JobState.SUCCEEDED and last is not None and last.observed.built is not None:
        ended = replace(ended, detail={**ended.detail, "image": last.observed.built.image})
    if job.state is JobState.SUCCEEDED:
        return merge((Plan(jobs=(job,), events=(ended,)), _release_dependents(cluster, job, now)))
    jobs, events, skipped = [job], [ended], {job.id}
    for failed in jobs:  # grows while it is walked: skipping is passed on
        for waiting in cluster.dependents(failed.id):
            # A need that had succeeded, and fails after the user asked for it again, is not waited for any more.
            if waiting.state is JobState.WAITING and failed.id in waiting.unmet and waiting.id not in skipped:
                skipped.add(waiting.id)
                out = move(
                    waiting, JobState.SKIPPED, unmet=(), finished_at=now, reason=_skip_reason(failed.id, failed.state)
                )
                jobs.append(out)
                events.append(event_of(out, now, reason=out.reason))
    return Plan(jobs=tuple(jobs), events=tuple(events))


def _release_dependents(cluster: Cluster, job: Job, now: float) -> Plan:
    jobs, events = [], []
    for waiting in cluster.dependents(job.id):
        if waiting.state is not JobState.WAITING:
            continue
        unmet = tuple(need for need in waiting.unmet if need != job.id)
        if unmet:
            jobs.append(replace(waiting, unmet=unmet))
            continue
        queued = move(waiting, JobState.QUEUED, unmet=(), queued_at=now, ready_at=now)
        jobs.append(queued)
        events.append(event_of(queued, now))
    return Plan(jobs=tuple(jobs), events=tuple(events))
