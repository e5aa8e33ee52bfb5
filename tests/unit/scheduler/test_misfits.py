"""Queued jobs that fit no machine: told from those that only wait for room."""

from dataclasses import replace

import pytest

from draas.model.job import JobSpec, RuntimeName
from draas.model.node import Load
from draas.scheduler.misfits import Misfits
from draas.testing.builders import a_build_spec, a_spec, some_facts
from draas.testing.small_cluster import SmallCluster


@pytest.fixture
def cluster() -> SmallCluster:
    return SmallCluster("alpha", "bravo")


def misfits(cluster: SmallCluster, project: str | None = None) -> Misfits | None:
    cluster.tick()
    return cluster.control.misfits(project, cluster.now)


def test_jobs_that_wait_for_room_or_others_fit(cluster: SmallCluster) -> None:
    id = cluster.submit(*(a_spec(cpu=2500) for _ in range(5)))
    cluster.submit(a_spec(cpu=99_000, needs=(id,)))
    assert misfits(cluster) is None


@pytest.mark.parametrize(
    ("spec", "lacks"),
    [
        (a_spec(cpu=16_000), "alpha: needs 16 cores, 4 of 4 are free"),
        (a_spec(constraints=("node.labels.disk == ssd",)), "alpha: needs label disk ssd, has none"),
        (a_spec(runtime=RuntimeName.PROCESS), "alpha: host jobs are not allowed there"),
        (a_build_spec(), "alpha: it builds no images: its roles are worker"),
    ],
)
def test_each_kind_of_lack_is_told_of_the_nearest_machine(cluster: SmallCluster, spec: JobSpec, lacks: str) -> None:
    cluster.submit(spec)
    found = misfits(cluster)
    assert found is not None
    assert (found.first.id, found.count, found.lacks) == ("j1", 1, lacks)


def test_the_first_in_turn_is_named_and_all_are_counted(cluster: SmallCluster) -> None:
    cluster.submit(a_spec(cpu=16_000), a_spec(cpu=16_000), a_spec(cpu=17_000, priority=90), a_spec())
    found = misfits(cluster)
    assert found is not None
    assert (found.first.id, found.count) == ("j3", 3)


def test_of_a_project_only_its_own(cluster: SmallCluster) -> None:
    cluster.submit(a_spec(cpu=16_000), project="web")
    assert misfits(cluster, "default") is None
    assert misfits(cluster, "web") is not None


def test_a_machine_that_could_take_it_ends_it(cluster: SmallCluster) -> None:
    cluster.submit(a_spec(cpu=16_000))
    assert misfits(cluster) is not None
    cluster.joins("big", replace(some_facts(), capacity=some_facts(cpu=32_000).capacity))
    assert misfits(cluster) is None


def test_a_machine_whose_disk_is_full_does_not_count(cluster: SmallCluster) -> None:
    cluster.label("alpha", disk="ssd")
    cluster.beats("alpha", load=Load(disk_used_bytes=97, disk_total_bytes=100))
    cluster.submit(a_spec(constraints=("node.labels.disk == ssd",)))
    found = misfits(cluster)
    assert found is not None
    assert found.lacks == "alpha: disk 97 % full: nothing new from 95 %"
