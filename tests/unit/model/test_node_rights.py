"""Which repositories a node may read and write: what is placed on it decides, and nothing else."""

from dataclasses import replace

from draas.model.allocation import Allocation, AllocationId, AllocationState, Cause, Desired, NodeId, Observed
from draas.model.app import App, AppId, AppState
from draas.model.app_spec import AppSpec
from draas.model.build import BuildSpec
from draas.model.cluster import Cluster
from draas.model.image_name import Repository
from draas.model.job import Job, JobState, ProjectName, RuntimeName
from draas.model.node_rights import node_rights
from draas.model.release import Release, ReleaseState
from draas.model.replica import Replica
from draas.testing.builders import NOW, a_job

HERE, ELSEWHERE = NodeId("n-here"), NodeId("n-elsewhere")
WEB, BASE, OTHER = Repository("p/web"), Repository("p/base"), Repository("q/web")
DIGEST = "sha256:" + "0" * 64


def a_build(seq: int = 1, *, on: str | None = "here", repository: Repository = WEB, project: str = "p") -> Job:
    job = a_job(seq, project=project, on=on)
    return replace(job, spec=replace(job.spec, runtime=RuntimeName.BUILD, build=BuildSpec(repository=repository)))


def ended(job: Job) -> Job:
    last = job.attempts[-1]
    over = replace(last, observed=Observed(state=AllocationState.SUCCEEDED))
    return replace(job, state=JobState.SUCCEEDED, attempts=(over,))


def an_app(image: str, pinned: str = "", on: str = "here", *, newest: str = "") -> App:
    at = Allocation(id=AllocationId("r-1"), number=1, node_id=NodeId(f"n-{on}"), node_name=on, assigned_at=NOW)
    release = Release(number=1, spec=AppSpec(image=image), state=ReleaseState.LIVE, created_at=NOW, image=pinned)
    return App(
        id=AppId("app-1"), name="shop", project=ProjectName("p"), created_at=NOW, spec=AppSpec(image=newest or image),
        wanted=1, state=AppState.LIVE, releases=(release,), replicas=(Replica(allocation=at, release=1),),
    )  # fmt: skip


def test_a_node_with_nothing_on_it_may_nothing() -> None:
    rights = node_rights(Cluster(jobs=[a_build(on="elsewhere")]), HERE)
    assert not rights.may_read(WEB)
    assert not rights.may_write(WEB)


def test_a_job_opens_the_repository_of_its_image_for_reading() -> None:
    for image in ("draas.internal/p/web:v1", f"draas.internal/p/web@{DIGEST}", "draas.internal/p/web"):
        rights = node_rights(Cluster(jobs=[a_job(project="p", image=image, on="here")]), HERE)
        assert rights.may_read(WEB)
        assert not rights.may_read(BASE)
        assert not rights.may_write(WEB)
    rights = node_rights(Cluster(jobs=[a_job(image="ghcr.io/p/web", on="here"), a_job(2, on="here")]), HERE)
    assert not rights.may_read(WEB)


def test_a_build_opens_its_project_for_reading_and_its_repository_for_writing() -> None:
    rights = node_rights(Cluster(jobs=[a_build()]), HERE)
    assert rights.may_read(WEB)
    assert rights.may_write(WEB)
    assert rights.may_read(BASE)
    assert not rights.may_write(BASE)
    assert not rights.may_read(OTHER)
    assert not rights.may_write(OTHER)


def test_a_build_for_another_projects_repository_opens_nothing() -> None:
    rights = node_rights(Cluster(jobs=[a_build(repository=OTHER, project="p")]), HERE)
    assert (rights.targets, rights.projects, rights.images) == (frozenset(), frozenset(), frozenset())


def test_what_has_ended_opens_nothing_and_what_is_to_stop_writes_nothing() -> None:
    rights = node_rights(Cluster(jobs=[ended(a_build())]), HERE)
    assert (rights.may_read(WEB), rights.may_write(WEB)) == (False, False)
    job = a_build()
    stopping = replace(job.attempts[0], desired=Desired.STOP, stop_cause=Cause.CANCELLED)
    rights = node_rights(Cluster(jobs=[replace(job, attempts=(stopping,))]), HERE)
    assert not rights.may_write(WEB)


def test_a_retry_elsewhere_takes_the_rights_along() -> None:
    first, second = a_build(on="here"), a_build(on="elsewhere")
    lost = replace(first.attempts[0], observed=Observed(state=AllocationState.LOST))
    moved = replace(first, attempts=(lost, replace(second.attempts[0], id=AllocationId("a-2"), number=2)))
    cluster = Cluster(jobs=[moved])
    assert not node_rights(cluster, HERE).may_write(WEB)
    assert node_rights(cluster, ELSEWHERE).may_write(WEB)


def test_a_replica_opens_what_its_release_runs_and_not_what_is_deployed_later() -> None:
    rights = node_rights(
        Cluster(apps=[an_app("draas.internal/p/web:v1", f"draas.internal/p/web@{DIGEST}", newest="draas.internal/p/base")]),
        HERE,
    )  # fmt: skip
    assert rights.may_read(WEB)
    assert not rights.may_read(BASE)
    assert not rights.may_write(WEB)
    assert not node_rights(Cluster(apps=[an_app("draas.internal/p/web:v1", on="elsewhere")]), HERE).may_read(WEB)


def test_a_name_that_is_none_opens_nothing() -> None:
    rights = node_rights(Cluster(jobs=[a_job(image="draas.internal/../x", on="here")]), HERE)
    assert rights.images == frozenset()
