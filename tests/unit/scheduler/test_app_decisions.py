"""Apps, decided: deploy, replace, drain, roll, fail, roll back, canary, remove — through the real control on a pretended clock."""

import contextlib
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from draas.lib.values import replace
from draas.model.allocation import AllocationState, Observed
from draas.model.app import AppState
from draas.model.app_spec import Autoscale, Canary, Deploy, Order
from draas.model.command import (
    DecideCanary,
    PatchNode,
    RebalanceApps,
    RemoveApp,
    RestartApp,
    RollbackApp,
    ScaleApp,
)
from draas.model.errors import Conflict, NotFound
from draas.model.job import JobState
from draas.model.node import NodeState
from draas.model.release import ReleaseState
from draas.testing.app_world import AppWorld, an_app_spec

QUICK = Deploy(healthy_after_s=1.0, deadline_s=10.0, drain_s=5.0)


def states(world: AppWorld) -> list[ReleaseState]:
    return [release.state for release in world.app().releases]


def test_a_new_app_gets_its_replicas_on_different_machines_and_is_live() -> None:
    world = AppWorld(3)
    assert world.put(an_app_spec(replicas=3)).state is AppState.DEPLOYING
    world.run(8)
    app = world.app()
    assert app.state is AppState.LIVE, app.reason
    assert {one.allocation.node_name for one in app.replicas} == {"m0", "m1", "m2"}
    assert set(world.endpoints()) == {one.id for one in app.replicas}
    assert app.release(1) is not None
    assert app.releases[0].image == "ok:1@sha256:1"


def test_the_same_spec_again_changes_nothing() -> None:
    world = AppWorld()
    world.put(an_app_spec())
    world.run(8)
    before = world.app()
    world.put(an_app_spec())
    world.run(5)
    assert world.app() == before


def test_a_killed_replica_is_replaced_at_once_and_crash_loops_back_off() -> None:
    world = AppWorld()
    world.put(an_app_spec())
    world.run(8)
    first = world.app().replicas[0].id
    world.kill(first)
    world.run(1.6)
    assert len([one for one in world.app().replicas if one.healthy]) == 2
    for _ in range(30):
        for replica in world.app().replicas:
            world.kill(replica.id)
        world.run(1)
    assert world.app().crashes > 3
    assert "exited with code 137" in world.app().reason
    placed = world.app().placed
    for _ in range(30):
        for replica in world.app().replicas:
            world.kill(replica.id)
        world.run(1)
    assert world.app().placed - placed <= 4


def test_a_replica_that_was_sound_for_long_begins_a_new_count_of_crashes() -> None:
    world = AppWorld()
    world.put(an_app_spec(replicas=1))
    for _ in range(4):
        world.run(70)
        world.kill(world.app().replicas[0].id)
        world.run(2.4)
        assert world.app().crashes == 1
        assert world.app().state is AppState.LIVE


@pytest.mark.parametrize("off_s", [-250.0, 250.0])
def test_the_clock_of_a_machine_that_is_off_delays_and_hurries_nothing(off_s: float) -> None:
    world = AppWorld(1)
    next(iter(world.machines.values())).clock_off_s = off_s
    world.put(an_app_spec(replicas=1))
    world.run(1.4)
    assert world.app().replicas[0].healthy
    assert world.app().state is AppState.DEPLOYING, "it has not settled yet"
    world.run(2)
    assert world.app().state is AppState.LIVE
    world.put(an_app_spec("sick:1", replicas=1))
    world.run(15)
    assert world.app().releases[-1].state is ReleaseState.FAILED


def test_a_lost_machines_replicas_come_up_elsewhere_and_do_not_come_back() -> None:
    world = AppWorld(3)
    world.put(an_app_spec(replicas=3))
    world.run(8)
    gone = next(machine for machine in world.machines.values() if machine.name == "m1")
    world.power_off(gone)
    world.run(world.policy.down_after_s + 3)
    app = world.app()
    assert app.state is AppState.LIVE, app.reason
    assert "m1" not in {one.allocation.node_name for one in app.replicas}
    world.link(gone)
    world.run(3)
    assert world.app().replicas == app.replicas


def test_beside_a_silent_machine_replicas_are_started_before_it_is_down() -> None:
    world = AppWorld(3)
    world.put(an_app_spec(replicas=3))
    world.run(20)
    silent = next(machine for machine in world.machines.values() if machine.name == "m1")
    world.power_off(silent)
    world.run(world.policy.down_after_s - 0.4)
    elsewhere = [one for one in world.app().replicas if one.healthy and one.node_id != silent.id]
    assert len(elsewhere) == 3
    assert world.control.cluster.nodes[silent.id].state is NodeState.DISCONNECTED


def test_where_most_machines_are_silent_nothing_is_started_beside_them() -> None:
    world = AppWorld(3)
    world.put(an_app_spec(replicas=3))
    world.run(20)
    for machine in list(world.machines.values())[1:]:
        world.power_off(machine)
    world.run(world.policy.down_after_s - 0.4)
    assert len(world.app().replicas) == 3


def test_a_drained_machine_empties_without_a_moment_below_what_is_wanted() -> None:
    world = AppWorld(3)
    world.put(an_app_spec(replicas=2))
    world.run(8)
    machine = world.machines[world.app().replicas[0].node_id]
    world.drain(machine)
    for _ in range(60):
        world.step()
        assert sum(not draining for draining in world.endpoints().values()) >= 2
    assert machine.id not in {one.node_id for one in world.app().replicas}
    assert world.app().state is AppState.LIVE


def test_a_new_release_replaces_the_old_one_without_a_moment_below_what_is_wanted() -> None:
    world = AppWorld(3)
    world.put(an_app_spec(replicas=3))
    world.run(8)
    world.put(an_app_spec("ok:2", replicas=3))
    for _ in range(100):
        world.step()
        assert sum(not draining for draining in world.endpoints().values()) >= 3
    app = world.app()
    assert app.live == 2
    assert app.state is AppState.LIVE
    assert {one.observed.image for one in app.replicas} == {"ok:2@sha256:1"}
    assert states(world) == [ReleaseState.REPLACED, ReleaseState.LIVE]


def test_fewer_replicas_wanted_in_the_middle_of_a_roll_out_leave_what_serves_until_the_new_ones_do() -> None:
    world = AppWorld(3)
    slow = replace(QUICK, healthy_after_s=3.0)
    world.put(an_app_spec(replicas=1, deploy=slow))
    world.run(10)
    world.put(an_app_spec("ok:2", replicas=1, deploy=slow))
    world.run(1)
    world.do(ScaleApp(name="shop", replicas=2))
    while sum(one.release == 2 for one in world.app().replicas) < 2:
        world.step()
    world.do(ScaleApp(name="shop", replicas=1))
    for _ in range(60):
        world.step()
        settled = [one for one in world.app().replicas if one.staying and one.settled(world.now, 3.0)]
        assert settled, world.app().replicas
    assert world.app().live == 2


def test_stop_first_never_has_more_than_wanted() -> None:
    world = AppWorld(2)
    deploy = replace(QUICK, order=Order.STOP_FIRST)
    world.put(an_app_spec(replicas=2, deploy=deploy))
    world.run(8)
    world.put(an_app_spec("ok:2", replicas=2, deploy=deploy))
    for _ in range(100):
        world.step()
        assert len(world.app().replicas) <= 2
        assert sum(not draining for draining in world.endpoints().values()) >= 1
    assert world.app().live == 2


@pytest.mark.parametrize(
    ("image", "says"),
    [("crash:1", "exited with code 1"), ("missing:1", "there is no image missing:1"), ("sick:1", "does not answer")],
)
def test_a_release_that_does_not_come_up_leaves_the_old_one_as_it_was(image: str, says: str) -> None:
    world = AppWorld(3)
    world.put(an_app_spec(replicas=2))
    world.run(8)
    before = {one.id for one in world.app().replicas}
    world.put(an_app_spec(image, replicas=2))
    world.run(30)
    app = world.app()
    assert states(world) == [ReleaseState.LIVE, ReleaseState.FAILED]
    assert says in app.releases[-1].reason
    assert {one.id for one in app.replicas} == before
    assert app.state is AppState.LIVE
    assert says in app.reason
    placed = app.placed
    world.run(60)
    assert world.app().placed == placed, "a failed release starts no more"


def test_a_first_release_that_does_not_come_up_is_failed_and_the_next_one_can_mend_it() -> None:
    world = AppWorld()
    world.put(an_app_spec("crash:1"))
    world.run(20)
    assert world.app().state is AppState.FAILED
    assert not world.app().replicas
    world.put(an_app_spec("ok:1"))
    world.run(10)
    assert world.app().state is AppState.LIVE


def test_of_two_deploys_at_once_the_newest_wins() -> None:
    world = AppWorld()
    world.put(an_app_spec())
    world.run(8)
    for tag in ("2", "3", "4"):
        world.put(an_app_spec(f"ok:{tag}"))
    world.run(30)
    assert world.app().live == 4
    assert states(world) == [ReleaseState.REPLACED, ReleaseState.REPLACED, ReleaseState.REPLACED, ReleaseState.LIVE]
    assert not any(one.release in (2, 3) for one in world.app().past), "what was overtaken never began"


def test_a_change_of_routes_takes_over_the_replicas_that_are_there() -> None:
    world = AppWorld()
    world.put(an_app_spec())
    world.run(8)
    before = {one.id for one in world.app().replicas}
    world.put(an_app_spec(domains=("shop.example.org",)))
    world.run(1)
    assert world.app().live == 2
    assert {one.id for one in world.app().replicas} == before


def test_rolling_back_brings_the_old_image_back_without_asking_a_registry() -> None:
    world = AppWorld()
    world.put(an_app_spec())
    world.run(8)
    world.put(an_app_spec("ok:2"))
    world.run(20)
    world.do(RollbackApp(name="shop"))
    world.run(6)
    app = world.app()
    assert app.live == 3
    assert app.releases[-1].rollback_of == 1
    assert {one.observed.image for one in app.replicas if one.staying} == {"ok:1@sha256:1"}
    with pytest.raises(Conflict, match="is live already"):
        world.do(RollbackApp(name="shop", release=3))


def test_a_tag_that_means_something_else_on_another_machine_does_not_stay_so() -> None:
    world = AppWorld(3)
    next(iter(world.machines.values())).digest = 2
    world.put(an_app_spec(replicas=3, deploy=replace(QUICK, order=Order.STOP_FIRST)))
    world.run(20)
    app = world.app()
    assert app.state is AppState.LIVE, app.reason
    assert {one.observed.image for one in app.replicas} == {app.releases[0].image}


def test_a_canary_waits_for_a_word_and_can_be_promoted_or_aborted() -> None:
    world = AppWorld(3)
    world.put(an_app_spec(replicas=3))
    world.run(8)
    canary = replace(QUICK, canary=Canary(replicas=1, share_percent=10))
    world.put(an_app_spec("ok:2", replicas=3, deploy=canary))
    world.run(20)
    app = world.app()
    assert [one.release for one in app.replicas].count(2) == 1
    assert [one.release for one in app.replicas].count(1) == 3
    assert "promote or abort" in app.reason
    route = next(machine.routes["shop"] for machine in world.machines.values() if machine.routes)
    new = {one.id for one in app.replicas if one.release == 2}
    weights = [(one.id in new, one.weight) for one in route.endpoints]
    share = sum(weight for is_new, weight in weights if is_new) / sum(weight for _, weight in weights)
    assert 0.09 < share < 0.11
    world.do(DecideCanary(name="shop", promote=True))
    world.run(20)
    assert world.app().live == 2
    world.put(an_app_spec("ok:3", replicas=3, deploy=canary))
    world.run(10)
    world.do(DecideCanary(name="shop", promote=False))
    world.run(10)
    assert world.app().live == 2
    assert world.app().state is AppState.LIVE
    assert {one.release for one in world.app().replicas} == {2}


def test_a_canary_of_more_replicas_than_are_wanted_holds_up_no_later_release() -> None:
    world = AppWorld()
    world.put(an_app_spec(replicas=1))
    world.run(8)
    world.put(an_app_spec("ok:2", replicas=1, deploy=replace(QUICK, canary=Canary(replicas=2))))
    world.run(10)
    assert "promote or abort" in world.app().reason
    world.do(ScaleApp(name="shop", replicas=0))
    world.run(5)
    world.put(an_app_spec("ok:3", replicas=0))
    world.run(5)
    assert world.app().live == 3


def test_an_aborted_canary_goes_also_where_failed_releases_are_left_for_a_look() -> None:
    world = AppWorld()
    world.put(an_app_spec(replicas=2))
    world.run(8)
    world.put(an_app_spec("ok:2", deploy=replace(QUICK, canary=Canary(), rollback_auto=False)))
    world.run(10)
    world.do(DecideCanary(name="shop", promote=False))
    world.run(10)
    assert world.app().state is AppState.LIVE
    assert [one.release for one in world.app().replicas] == [1, 1]


def test_what_is_left_of_a_failed_release_for_a_look_takes_no_place_of_what_serves() -> None:
    world = AppWorld()
    world.put(an_app_spec(replicas=1))
    world.run(8)
    world.put(an_app_spec("sick:1", replicas=1, deploy=replace(QUICK, rollback_auto=False)))
    world.run(30)
    assert world.app().releases[-1].state is ReleaseState.FAILED
    assert sum(one.release == 1 and one.healthy for one in world.app().replicas) == 1
    assert list(world.endpoints()) == [one.id for one in world.app().replicas if one.release == 1]


def test_what_is_left_of_a_failed_release_goes_when_fewer_are_wanted() -> None:
    world = AppWorld()
    world.put(an_app_spec("sick:1", replicas=2, deploy=replace(QUICK, batch=2, rollback_auto=False)))
    world.run(20)
    assert len(world.app().replicas) == 2
    world.do(ScaleApp(name="shop", replicas=1))
    world.run(3)
    assert len(world.app().replicas) == 1
    world.do(ScaleApp(name="shop", replicas=0))
    world.run(3)
    assert not world.app().replicas


def test_scaling_down_takes_what_does_not_run_first() -> None:
    world = AppWorld(3)
    world.put(an_app_spec(replicas=2))
    world.run(8)
    sound = {one.id for one in world.app().replicas}
    world.do(ScaleApp(name="shop", replicas=4))
    world.step()
    world.do(ScaleApp(name="shop", replicas=2))
    world.run(4)
    assert {one.id for one in world.app().replicas} == sound


def test_scaled_to_nothing_it_is_stopped_and_places_nothing() -> None:
    world = AppWorld()
    world.put(an_app_spec())
    world.run(8)
    world.do(ScaleApp(name="shop", replicas=0))
    world.run(10)
    app = world.app()
    assert app.state is AppState.STOPPED
    assert not app.replicas
    world.put(an_app_spec("ok:2", replicas=0))
    world.run(5)
    assert world.app().placed == app.placed
    assert world.app().state is AppState.STOPPED
    world.put(an_app_spec("ok:2", replicas=1))
    world.run(8)
    assert world.app().state is AppState.LIVE


def test_restarting_replaces_every_replica_once() -> None:
    world = AppWorld()
    world.put(an_app_spec())
    world.run(8)
    before = {one.id for one in world.app().replicas}
    world.do(RestartApp(name="shop"))
    world.run(20)
    after = {one.id for one in world.app().replicas}
    assert not before & after
    assert len(after) == 2
    assert world.app().placed == 4


def test_a_leaving_replica_finishes_what_it_serves_but_not_for_ever() -> None:
    world = AppWorld()
    world.put(an_app_spec(replicas=2))
    world.run(8)
    world.busy = {one.id for one in world.app().replicas}
    world.do(ScaleApp(name="shop", replicas=1))
    world.run(3)
    leaving = [one for one in world.app().replicas if one.leaving_at is not None]
    assert [one.stopping for one in leaving] == [False]
    world.run(4)
    assert len(world.app().replicas) == 1


def test_a_leaving_replica_waits_for_an_ingress_that_is_out_of_touch() -> None:
    world = AppWorld()
    world.put(an_app_spec(replicas=2))
    world.run(8)
    world.unlink(next(iter(world.machines.values())))
    world.do(ScaleApp(name="shop", replicas=1))
    world.run(2)
    assert [one.stopping for one in world.app().replicas if not one.staying] == [False]
    world.link(next(iter(world.machines.values())))
    world.run(1)
    assert len(world.app().replicas) == 1


def test_a_new_controller_lets_leaving_replicas_finish_though_its_predecessor_was_away_for_long() -> None:
    world = AppWorld()
    world.put(an_app_spec(replicas=2))
    world.run(8)
    world.busy = {one.id for one in world.app().replicas}
    world.do(ScaleApp(name="shop", replicas=1))
    world.run(1)
    world.now += 300.0
    world.restart_controller()
    world.step()
    for machine in world.machines.values():
        world.link(machine)
    world.run(2)
    assert [one.stopping for one in world.app().replicas if not one.staying] == [False]
    world.busy.clear()
    world.run(1)
    assert len(world.app().replicas) == 1


def test_an_unhealthy_replica_is_replaced_before_it_goes() -> None:
    world = AppWorld(3)
    world.put(an_app_spec(replicas=2))
    world.run(15)
    ill = world.app().replicas[0].id
    world.sick = {ill}
    world.run(8)
    app = world.app()
    assert ill not in {one.id for one in app.replicas}
    assert app.state is AppState.LIVE
    assert len(app.replicas) == 2


def test_all_unhealthy_at_once_are_not_all_taken_away() -> None:
    world = AppWorld(3)
    world.put(an_app_spec("ok:1", replicas=2))
    world.run(15)
    for _ in range(100):
        world.sick |= {one.id for one in world.app().replicas}
        world.step()
        assert len([one for one in world.app().replicas if one.staying]) >= 2
    assert world.app().state in (AppState.DEGRADED, AppState.FAILED)


def test_no_room_is_told_in_numbers_and_ends_when_there_is_some() -> None:
    world = AppWorld(1, cpu=1000)
    world.put(an_app_spec(replicas=3))
    world.run(8)
    assert "needs 0.5 cores, 0 of 1 are free" in world.app().reason
    world.add_machine("late")
    world.run(8)
    assert world.app().state is AppState.LIVE


def test_a_machine_that_joins_takes_replicas_over_when_asked() -> None:
    world = AppWorld(1)
    world.put(an_app_spec(replicas=4))
    world.run(20)
    late = world.add_machine("late")
    world.run(3)
    assert {one.allocation.node_name for one in world.app().replicas} == {"m0"}
    world.do(RebalanceApps(name="shop"))
    world.run(20)
    assert [one.node_id for one in world.app().replicas].count(late.id) == 2
    assert world.app().state is AppState.LIVE


def test_a_removed_app_leaves_nothing_and_its_name_is_free() -> None:
    world = AppWorld()
    world.put(an_app_spec())
    world.run(8)
    world.do(RemoveApp(name="shop"))
    world.run(2)
    assert not world.control.cluster.apps
    assert not world.endpoints()
    with pytest.raises(NotFound):
        world.do(ScaleApp(name="shop", replicas=1))
    world.put(an_app_spec())
    world.run(8)
    assert world.app().state is AppState.LIVE


def test_a_domain_of_another_app_is_refused() -> None:
    world = AppWorld()
    world.put(an_app_spec(domains=("a.example.org",)), "one")
    with pytest.raises(Conflict, match=r"a\.example\.org is a domain of app one"):
        world.put(an_app_spec(domains=("a.example.org",)), "two")
    with pytest.raises(Conflict, match="is a domain of app one"):
        world.put(an_app_spec(domains=("one.localhost",)), "two")
    world.put(an_app_spec(domains=("a.example.org/api",)), "two")


def test_a_release_command_runs_before_anything_and_blocks_the_release_where_it_fails() -> None:
    world = AppWorld()
    world.put(an_app_spec())
    world.run(8)
    world.put(an_app_spec("ok:2", release_command="migrate"))
    world.run(0.4)
    job = next(iter(world.control.cluster.jobs.values()))
    assert (job.spec.command, job.spec.image) == ("migrate", "ok:2")
    assert not any(one.release == 2 for one in world.app().replicas)
    world.run(15)
    assert world.app().live == 2
    before = world.app().replicas
    world.put(an_app_spec("ok:3", release_command="fail"))
    world.run(5)
    app = world.app()
    assert app.live == 2
    assert app.replicas == before
    assert "its release command failed" in app.releases[-1].reason


def test_the_end_of_a_release_command_is_committed_with_what_it_means_also_by_the_next_controller() -> None:
    world = AppWorld()
    world.put(an_app_spec(release_command="migrate"))
    world.run(0.4)
    world.restart_controller()
    for machine in world.machines.values():
        world.link(machine)
    world.step()
    held = next(iter(world.control.cluster.jobs.values())).attempts[-1]
    ended = Observed(state=AllocationState.SUCCEEDED, exit_code=0)
    world.control.report(held.node_id, {held.id: ended}, world.now, 0.5)
    world.control.tick(world.now + 0.01)
    plan = world.control.take()
    assert [job.state for job in plan.jobs] == [JobState.SUCCEEDED]
    assert [app.releases[-1].command_done for app in plan.apps] == [True]


ACTIONS = ("put", "put", "scale", "kill", "power", "link", "drain", "ready", "restart", "rollback", "wait", "wait")


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_whatever_happens_the_rules_hold_and_in_the_end_it_is_as_wanted(seed: int) -> None:
    chance = Random(seed)
    world = AppWorld(3)
    world.put(an_app_spec(replicas=chance.randint(0, 4)))
    for _ in range(25):
        act(world, chance)
        world.run(chance.choice((0.2, 0.4, 1.0, 3.0)))
    world.busy.clear()
    world.sick.clear()
    for machine in world.machines.values():
        if not machine.linked:
            world.link(machine)
        world.control.command(PatchNode(id=machine.id, labels={}, drain=False), world.now)
    world.put(an_app_spec(f"ok:{seed}", replicas=3))
    world.run(150)
    app = world.app()
    assert app.state is AppState.LIVE, app.reason
    assert len(app.replicas) == 3
    assert {one.observed.image for one in app.replicas} == {f"ok:{seed}@sha256:1"}
    assert set(world.endpoints()) == {one.id for one in app.replicas}


def act(world: AppWorld, chance: Random) -> None:
    """One thing that people or fate may do."""
    machines = list(world.machines.values())
    machine = chance.choice(machines)
    match chance.choice(ACTIONS):
        case "put":
            image = chance.choice(("ok", "ok", "ok", "crash", "sick", "missing"))
            deploy = replace(QUICK, batch=chance.randint(1, 2), order=chance.choice(list(Order)))
            world.put(an_app_spec(f"{image}:{chance.randint(1, 3)}", replicas=chance.randint(0, 4), deploy=deploy))
        case "scale":
            world.do(ScaleApp(name="shop", replicas=chance.randint(0, 5)))
        case "kill":
            for replica in world.app().replicas[: chance.randint(0, 2)]:
                world.kill(replica.id)
        case "power":
            if sum(one.linked for one in machines) > 1:
                world.power_off(machine)
        case "link":
            if not machine.linked:
                world.link(machine)
        case "drain" | "ready" as what:
            world.control.command(PatchNode(id=machine.id, labels={}, drain=what == "drain"), world.now)
        case "restart":
            world.do(RestartApp(name="shop"))
        case "rollback":
            with contextlib.suppress(Conflict):
                world.do(RollbackApp(name="shop"))
        case _:
            world.busy = {one.id for one in world.app().replicas if chance.random() < 0.3}


def test_load_brings_replicas_and_calm_takes_them_away_in_words() -> None:
    world = AppWorld(3)
    spec = an_app_spec(replicas=1, max_replicas=4, autoscale=Autoscale(requests_per_s=50))
    world.put(spec)
    world.run(8)
    world.requests_per_s = 180
    world.run(12)
    app = world.app()
    assert app.wanted == 4
    assert "180 requests/s a replica, target 50" in app.scalings[-1].reason
    assert len([one for one in app.replicas if one.healthy]) == 4
    world.requests_per_s = 10
    world.run(120)
    assert world.app().wanted == 1
    assert len(world.app().replicas) == 1


def test_an_idle_app_sleeps_and_a_request_wakes_it() -> None:
    world = AppWorld(2)
    world.put(an_app_spec(replicas=0, max_replicas=2, autoscale=Autoscale(requests_per_s=50, idle_s=20)))
    world.do(ScaleApp(name="shop", replicas=1))
    world.run(40)
    app = world.app()
    assert (app.wanted, app.sleeping, app.state) == (0, True, AppState.LIVE)
    assert "no request for 20 s" in app.scalings[-1].reason
    world.waking = ("shop",)
    world.run(2.4)
    assert [one.healthy for one in world.app().replicas] == [True]
    world.waking = ()
    world.run(3)
    assert world.app().state is AppState.LIVE


def test_a_first_release_waits_for_no_verdict_on_its_canary() -> None:
    world = AppWorld(3)
    world.put(an_app_spec(replicas=3, deploy=replace(QUICK, canary=Canary(replicas=1, share_percent=10))))
    world.run(12)
    assert world.app().live == 1
    assert len(world.app().replicas) == 3
