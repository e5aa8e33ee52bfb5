"""Completing: what is secret comes into an order after the commit, on its way to the agent, and is kept nowhere."""

from collections.abc import Callable

import msgspec

from draas.lib.sealing import Sealer, Unsealable
from draas.model.allocation import AllocationId, AllocationState, Cause, Observed
from draas.model.job import Job
from draas.server.services.secrets import open_secrets
from draas.wire.link import Assign, Assignment

JobOf = Callable[[AllocationId], Job | None]
UNOPENED = "its secrets cannot be opened, as the controller's sealing.key is another one now: build it anew"


def complete(assign: Assign, job_of: JobOf, sealer: Sealer) -> tuple[Assign, dict[AllocationId, Observed]]:
    """`assign` with all that its agent needs; and what can never run, as it ends.

    A build that is over by now is left out: to a node that has it not, that says the same as its end, which follows.
    """
    put: list[Assignment] = []
    failed: dict[AllocationId, Observed] = {}
    for assignment in assign.put:
        if assignment.build is None:
            put.append(assignment)
            continue
        job = job_of(assignment.id)
        if job is None:
            continue
        try:
            put.append(complete_build(assignment, job, sealer))
        except Unsealable:
            failed[assignment.id] = Observed(state=AllocationState.FAILED, cause=Cause.REFUSED, detail=UNOPENED)
    return msgspec.structs.replace(assign, put=put), failed


def complete_build(assignment: Assignment, job: Job, sealer: Sealer) -> Assignment:
    """A build's order with its secrets open. Raises Unsealable."""
    if assignment.build is None:
        return assignment
    order = msgspec.structs.replace(assignment.build, secrets=open_secrets(job, sealer))
    return msgspec.structs.replace(assignment, build=order)
