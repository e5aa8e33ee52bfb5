"""An order gets its secrets after the commit: for the build they were given for, and for no other."""

from draas.lib.sealing import KEY_BYTES, Sealer
from draas.model.job import JobId, ProjectName
from draas.server.loops.completing import complete
from draas.server.services.secrets import about_secret
from draas.testing.builders import a_build_spec, a_spec, some_facts
from draas.testing.small_cluster import SmallCluster
from draas.wire.link import Assign

SEALER = Sealer(bytes(KEY_BYTES))
BUILDER = some_facts(roles=("worker", "builder"))


def sealed_for(id: str, value: bytes = b"hush") -> dict[str, bytes]:
    return {"npm": SEALER.seal(value, about_secret(ProjectName("default"), JobId(id), "npm"))}


def ordered(cluster: SmallCluster) -> Assign:
    cluster.tick()
    return cluster.told("alpha")


def test_secrets_are_opened_and_jobs_left_alone() -> None:
    cluster = SmallCluster()
    cluster.joins("alpha", BUILDER)
    cluster.submit(a_spec(), a_build_spec(sealed_secrets=sealed_for("j2")))
    order = ordered(cluster)
    told, failed = complete(order, cluster.control.cluster.job_of, SEALER)
    assert [dict(one.build.secrets) if one.build else None for one in told.put] == [None, {"npm": "hush"}]
    assert (told.generation, told.epoch, failed) == (order.generation, order.epoch, {})
    assert "hush" not in repr(told)


def test_what_is_over_meanwhile_is_left_out() -> None:
    cluster = SmallCluster()
    cluster.joins("alpha", BUILDER)
    cluster.submit(a_build_spec(sealed_secrets=sealed_for("j1")))
    order = ordered(cluster)
    cluster.fails("j1")
    told, failed = complete(order, cluster.control.cluster.job_of, SEALER)
    assert (list(told.put), failed) == ([], {})


def test_secrets_that_cannot_be_opened_end_the_build_with_a_sentence() -> None:
    cluster = SmallCluster()
    cluster.joins("alpha", BUILDER)
    cluster.submit(a_build_spec(sealed_secrets=sealed_for("j-other")))
    told, failed = complete(ordered(cluster), cluster.control.cluster.job_of, SEALER)
    assert list(told.put) == []
    ((id, seen),) = failed.items()
    cluster.says("j1", seen)
    assert id == "j1.1"
    assert (cluster.states(), "sealing.key" in cluster.job("j1").reason) == ({"j1": "failed"}, True)
