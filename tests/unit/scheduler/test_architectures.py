"""Replicas and apps whose image is known to be for some architectures only."""

from draas.lib.values import replace
from draas.model.allocation import NodeId
from draas.model.app import AppId
from draas.model.app_spec import AppSpec
from draas.model.command import PutApp
from draas.model.job import ProjectName
from draas.scheduler.app_commands import put_app
from draas.scheduler.fleet import Fleet
from draas.scheduler.place_replicas import explain_refusal, place_replica
from draas.testing.builders import NOW, a_node

SPEC = AppSpec(image="draas.internal/default/shop:v1", port=80, architectures=("arm64",))


def put(spec: AppSpec) -> PutApp:
    return PutApp(id=AppId("app-1"), project=ProjectName("default"), name="shop", spec=spec)


def fleet_of(*arches: str) -> Fleet:
    fleet = Fleet()
    for arch in arches:
        fleet.put_node(a_node(f"on-{arch}", arch=arch))
    fleet.settle(NOW)
    return fleet


def test_a_replica_goes_to_a_machine_that_runs_its_image_and_nowhere_else() -> None:
    app = put_app(put(SPEC), None, (), "apps.home", NOW).apps[0]
    assert place_replica(fleet_of("amd64", "arm64"), app, SPEC, "") == NodeId("n-on-arm64")
    assert place_replica(fleet_of("amd64", "riscv64"), app, SPEC, "") is None
    assert "on-amd64: image is built for arm64, this node is amd64" in explain_refusal(fleet_of("amd64"), SPEC, "")


def test_a_tag_that_was_moved_makes_no_release_and_the_old_image_keeps_its_architectures() -> None:
    app = put_app(put(SPEC), None, (), "apps.home", NOW).apps[0]
    moved = replace(SPEC, architectures=("amd64",))
    assert put_app(put(moved), app, (app,), "apps.home", NOW).apps == ()
    scaled = put_app(put(replace(moved, max_replicas=3)), app, (app,), "apps.home", NOW).apps[0]
    assert (scaled.spec.architectures, len(scaled.releases)) == (("arm64",), 1)
    newer = put_app(put(replace(moved, env={"A": "b"})), app, (app,), "apps.home", NOW).apps[0]
    assert newer.releases[-1].spec.architectures == ("amd64",)
