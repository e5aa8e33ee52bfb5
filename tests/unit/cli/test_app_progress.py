"""What is told of a roll-out, look by look, and when it has ended."""

from typing import Any

from draas.cli.app_body import name_of_image
from draas.cli.app_progress import Progress


def replica(
    number: int, state: str = "running", health: str = "healthy", release: int = 2, **more: Any
) -> dict[str, Any]:
    plain = {"detail": "", "cause": "", "exit_code": None, "oom": False, "node": "alpha", "id": f"a.{number}"}
    return {"number": number, "state": state, "health": health, "release": release, **plain, **more}


def app(
    *replicas: dict[str, Any],
    past: tuple[Any, ...] = (),
    release: int | None = 1,
    rolling: str = "rolling",
    **more: Any,
) -> Any:
    releases = [{"number": 2, "state": rolling, "reason": more.pop("why", ""), "canary": more.pop("canary", "")}]
    state = {"state": "deploying", "reason": "", "wanted": 1, "removing": False, "release": release}
    healthy = sum(one["health"] == "healthy" for one in replicas)
    return {
        "name": "a",
        "releases": releases,
        "replicas": list(replicas),
        "past": list(past),
        "healthy": healthy,
        **state,
        **more,
    }


def test_a_replica_is_told_once_a_phase() -> None:
    progress, told = Progress(2), []
    for one in [
        replica(4, "assigned", "unknown"),
        replica(4, "preparing", "unknown", detail="pulling 10 %"),
        replica(4, "preparing", "unknown", detail="pulling 90 %"),
        replica(4, "starting", "unknown"),
        replica(4, "running", "unknown"),
        replica(4),
        replica(4),
    ]:
        told += progress.news(app(one, replica(3, release=1)))
    assert told == [f"a.4 on alpha: {phase}" for phase in ("pulling", "starting", "healthy")]


def test_why_nothing_moves_is_told_once_whatever_its_figures() -> None:
    progress, told = Progress(2), []
    assert progress.news(app(reason="release 2: 0 of 1 replicas ready")) == []
    for free in (0.5, 0.25, 0.5):
        told += progress.news(app(reason=f"no node has a place: alpha: needs 8 cores, {free} of 4 are free"))
    assert told == ["a: no node has a place: alpha: needs 8 cores, 0.5 of 4 are free"]


def test_a_failure_is_told_with_what_is_known() -> None:
    progress = Progress(2)
    dead = replica(4, "failed", "unknown", exit_code=137, oom=True, detail="killed: give it more memory")
    assert progress.news(app(past=(dead,))) == [
        "a.4 on alpha: failed: killed: give it more memory (exit code 137, out of memory)"
    ]
    assert progress.failing(app(past=(dead,))) is dead


def test_the_end() -> None:
    def end(seen: Any, release: int | None = 2, beyond: int = 0) -> tuple[int, str] | None:
        progress = Progress(release, beyond)
        progress.news(seen)
        progress.news(seen)
        return progress.outcome(seen)

    assert end(app(replica(4))) is None
    assert end(app(replica(4), release=2, rolling="live", state="live")) == (0, "a is live: release 2, 1 of 1 replica")
    assert (
        end(app(replica(4), release=2, rolling="live", state="live", wanted=2)) is None
    )  # the state is older than the wish
    assert end(app(replica(4), release=2, rolling="live", state="live"), beyond=4) is None  # the restart has not begun
    assert end(app(release=2, rolling="live", state="degraded")) is None
    assert end(app(release=2, rolling="live", state="failed", reason="why")) == (1, "a failed: why")
    assert end(app(release=2, rolling="live", state="stopped", wanted=0)) == (0, "a is stopped: no replicas are wanted")
    assert end(app(rolling="failed", why="it crashed")) == (1, "a: release 2 failed: it crashed; release 1 serves on")
    assert end(app(release=3, rolling="replaced")) == (1, "a: release 3 was asked for after release 2, and serves")
    assert end(app(canary="testing")) == (0, "a: the canary of release 2 is up: promote or abort it")
    assert end(app(removing=True)) == (1, "a is being removed")


def test_names_of_images() -> None:
    names = ("nginx:1.25", "registry.example:5000/team/My_Shop@sha256:00", "a" * 50)
    assert [name_of_image(image) for image in names] == ["nginx", "my-shop", "a" * 40]
