"""Builds in a simulation: what users submit, what a machine makes of it, and what must hold."""

import random

from draas.lib.sealing import KEY_BYTES, Sealer
from draas.model.allocation import Allocation, AllocationId
from draas.model.build import BuildSpec, Built
from draas.model.event import Event
from draas.model.image_name import Repository
from draas.model.job import DEFAULT_PROJECT, Job, JobId, JobSpec, JobState, RuntimeName
from draas.model.resources import MIB, Resources
from draas.server.services.secrets import about_secret
from draas.store.stored import encode_detail, encode_job, encode_spec
from draas.wire.link import Assignment

SECRET = "the secret of "  # noqa: S105 - and the build's id: nothing that is kept may hold it
SEALER = Sealer(bytes(KEY_BYTES))
REPOSITORY = Repository("default/shop")
BUILDER_EVERY = 2  # machines that build: the first, and each second one after it


def a_build(id: JobId, chance: random.Random) -> JobSpec:
    """A build that takes a while and ends well, or not, or not at first; it has a secret."""
    codes = chance.choice(("0", "0", "1 0", "1"))
    sealed = SEALER.seal(f"{SECRET}{id}".encode(), about_secret(DEFAULT_PROJECT, id, "npm"))
    return JobSpec(
        command=(),
        name="shop",
        runtime=RuntimeName.BUILD,
        resources=Resources(cpu_millis=chance.choice((500, 2000)), memory_bytes=64 * MIB),
        priority=chance.choice((10, 50)),
        retries=chance.choice((0, 1)),
        timeout_s=chance.choice((30.0, 3.0)),
        build=BuildSpec(
            repository=REPOSITORY,
            git="https://example.org/shop.git",
            args={"run": f"{chance.choice((0.05, 1, 5)):g}", "codes": codes},
            sealed_secrets={"npm": sealed},
        ),
    )


def fate_of_build(assignment: Assignment) -> tuple[float, int]:
    """How long it takes, and its exit code."""
    assert assignment.build is not None
    codes = assignment.build.args["codes"].split()
    return float(assignment.build.args["run"]), int(codes[min(assignment.number, len(codes)) - 1])


def built_by(id: AllocationId) -> Built:
    """What an attempt makes: an image that no other attempt makes."""
    digits = f"{hash_of(id):064x}"
    return Built(image=f"draas.internal/{REPOSITORY}@sha256:{digits}", platform="linux/amd64")


def hash_of(id: AllocationId) -> int:
    """A number of its own for each attempt: that of its id's bytes."""
    return int.from_bytes(id.encode()[-32:])


def fault_of_start(assignment: Assignment, roles: tuple[str, ...]) -> str:
    """What is wrong with what a machine is about to run; "" where nothing is."""
    if assignment.build is None:
        return "it is a job, and the machine no worker" if "worker" not in roles else ""
    if "builder" not in roles:
        return "it is a build, and the machine no builder"
    wanted = {"npm": f"{SECRET}{assignment.job_id}"}
    return "" if assignment.build.secrets == wanted else f"its secrets are {assignment.build.secrets}"


def fault_of_build(job: Job) -> str:
    """What is wrong with a build as it is kept; "" where nothing is."""
    if SECRET.encode() in encode_spec(job.spec) + encode_job(job):
        return "its secret is kept in the open"
    if job.state is not JobState.SUCCEEDED:
        return ""
    last = job.attempts[-1]
    made = [attempt.observed.built for attempt in job.attempts if attempt.observed.built is not None]
    if last.observed.built != built_by(last.id) or len(set(made)) != len(made):
        return f"its image is {last.observed.built}, and {made} were made"
    return _fault_of_others(job.attempts)


def _fault_of_others(attempts: tuple[Allocation, ...]) -> str:
    wrong = [one.id for one in attempts if one.observed.built not in (None, built_by(one.id))]
    return f"{wrong} have images of others" if wrong else ""


def fault_of_event(event: Event) -> str:
    """What is wrong with an event; "" where nothing is."""
    told = encode_detail(event.detail) + event.subject.encode()
    return f"{event.kind} of {event.subject} tells a secret" if SECRET.encode() in told else ""
