"""The sentence on how the cluster is: each problem alone, and which comes first."""

from dataclasses import replace

import pytest

from draas.lib.disk import Disk
from draas.model.app import App, AppId, AppState
from draas.model.job import DEFAULT_PROJECT, JobState, ProjectName
from draas.model.node import Load, Node, NodeState
from draas.model.release import Release, ReleaseState
from draas.scheduler.condition import About, Condition, Tone, judge_cluster
from draas.scheduler.misfits import Misfits
from draas.testing.app_world import an_app_spec
from draas.testing.builders import a_build_spec, a_job, a_node, a_spec

A, B, C = a_node("a"), a_node("b"), a_node("c")


def disk(percent: int) -> Disk:
    return Disk(used_bytes=percent, total_bytes=100)


def node(name: str, state: NodeState = NodeState.READY, disk_percent: int = 0) -> Node:
    load = Load(disk_used_bytes=disk_percent, disk_total_bytes=100) if disk_percent else Load()
    return replace(a_node(name), state=state, load=load)


def app(name: str, state: AppState = AppState.LIVE, **fields: object) -> App:
    made = App(
        id=AppId(f"app-{name}"),
        name=name,
        project=ProjectName(DEFAULT_PROJECT),
        created_at=0,
        spec=an_app_spec(),
        wanted=1,
        live=1,
        state=state,
    )
    return replace(made, **fields)  # type: ignore[arg-type]


def release(number: int, state: ReleaseState, reason: str = "") -> Release:
    return Release(number=number, spec=an_app_spec(), state=state, created_at=0, reason=reason)


LACKS = "a: needs 500 cores, 4 of 4 are free"
TOO_BIG = Misfits(first=replace(a_job(), spec=replace(a_spec(), name="too-big")), count=1, lacks=LACKS)
DOWN, LOST, DRAINING = NodeState.DOWN, NodeState.DISCONNECTED, NodeState.DRAINING


def judge(
    *nodes: Node,
    apps: tuple[App, ...] = (),
    misfits: Misfits | None = None,
    own: Disk | None = None,
    **jobs: int,
) -> Condition:
    counts = {JobState(state): count for state, count in jobs.items()}
    return judge_cluster(nodes, apps, counts, misfits, own or Disk())


@pytest.mark.parametrize(
    ("condition", "text"),
    [
        (judge(A, B, C, apps=(app("x"), app("y")), running=4), "3 machines, 2 apps, 4 jobs running, all healthy."),
        (
            judge(A, apps=(app("x", AppState.DEPLOYING),), running=1, queued=1200),
            "1 machine, 1 app, 1 job running, 1,200 queued, 1 deployment under way.",
        ),
        (
            judge(A, node("b", NodeState.LEFT), node("c", DRAINING)),
            "2 machines, no job running, 1 draining, all healthy.",
        ),
        (judge(A, apps=(app("x", AppState.STOPPED),)), "1 machine, 1 app, no job running, all healthy."),
    ],
)
def test_all_is_well(condition: Condition, text: str) -> None:
    assert condition == Condition(tone=Tone.GOOD, text=text)


LOOK = "What ran there runs elsewhere; look whether the agent runs."
FULL = "From 95 % on it gets no new work: unneeded images go by themselves; remove other files there."
NO_UPLOADS = "From 95 % on nothing is uploaded: draas images prune, or free some."


@pytest.mark.parametrize(
    ("condition", "tone", "text", "remedy", "about", "subject"),
    [
        (judge(), "wait", "No machine yet.", "Add one, and it runs your jobs and apps.", "machines", ""),
        (
            judge(node("a", DOWN), queued=2),
            "bad",
            "No machine can be reached; 2 jobs wait.",
            "Look whether the agents run.",
            "machines",
            "",
        ),
        (
            judge(node("a", DRAINING)),
            "bad",
            "No machine takes new work.",
            "Take one back from draining.",
            "machines",
            "",
        ),
        (judge(A, node("b", DOWN)), "bad", "Machine b is down.", LOOK, "machine", "b"),
        (
            judge(A, node("b", LOST), node("c", DOWN)),
            "bad",
            "2 of 3 machines are away: c, b.",
            LOOK,
            "machine",
            "c",
        ),
        (
            judge(A, apps=(app("shop", AppState.FAILED, reason="the image does not exist"),)),
            "bad",
            "App shop has failed.",
            "the image does not exist.",
            "app",
            "shop",
        ),
        (
            judge(A, apps=(app("a1", AppState.DEGRADED), app("b1", AppState.FAILED, reason="gone"))),
            "bad",
            "2 apps are not healthy: b1, a1.",
            "gone.",
            "app",
            "b1",
        ),
        (judge(node("a", disk_percent=97)), "bad", "The disk of a is 97 % full.", FULL, "machine", "a"),
        (judge(node("a", disk_percent=85)), "wait", "The disk of a is 85 % full.", FULL, "machine", "a"),
        (judge(A, own=disk(96)), "bad", "The disk of the controller is 96 % full.", NO_UPLOADS, "controller", ""),
        (
            judge(A, misfits=TOO_BIG),
            "bad",
            "Job too-big fits no machine.",
            f"{LACKS}. Ask for less, or add a machine that has it.",
            "job",
            TOO_BIG.first.id,
        ),
        (
            judge(A, misfits=replace(TOO_BIG, count=12)),
            "bad",
            "12 jobs fit no machine, too-big among them.",
            f"{LACKS}. Ask for less, or add a machine that has it.",
            "job",
            TOO_BIG.first.id,
        ),
        (
            judge(A, misfits=replace(TOO_BIG, first=replace(a_job(), spec=replace(a_build_spec(), name="site")))),
            "bad",
            "Build site fits no machine.",
            f"{LACKS}. Ask for less, or add a machine that has it.",
            "build",
            TOO_BIG.first.id,
        ),
        (
            judge(A, apps=(app("x", AppState.DEPLOYING, refused="no machine has 9 GPUs"),)),
            "wait",
            "App x waits for a place.",
            "no machine has 9 GPUs.",
            "app",
            "x",
        ),
        (
            judge(A, apps=(app("x", releases=(release(1, ReleaseState.LIVE), release(2, ReleaseState.FAILED, "no"))),)),
            "wait",
            "The newest release of x has failed; release 1 serves.",
            "no.",
            "app",
            "x",
        ),
        (
            judge(A, apps=(app("x", warnings=("x.org leads elsewhere",)),)),
            "wait",
            "App x runs, but people may not reach it.",
            "x.org leads elsewhere.",
            "app",
            "x",
        ),
    ],
)
def test_a_problem_is_named_with_its_remedy(
    condition: Condition, tone: str, text: str, remedy: str, about: str, subject: str
) -> None:
    (problem,) = condition.problems
    assert (condition.tone, condition.text) == (problem.tone, problem.text) == (tone, text)
    assert (problem.remedy, problem.about, problem.subject) == (remedy, about, subject)


def test_the_gravest_comes_first_and_the_others_are_counted() -> None:
    told = judge(
        node("a", disk_percent=99),
        node("b", DOWN),
        apps=(app("x", AppState.FAILED), app("y", AppState.DEPLOYING, refused="full"), app("z", warnings=("w",))),
        misfits=TOO_BIG,
        own=disk(96),
    )
    assert [problem.about for problem in told.problems] == [
        *(About.CONTROLLER, About.APP, About.MACHINE, About.MACHINE, About.JOB, About.APP, About.APP)
    ]
    assert told.text == "The disk of the controller is 96 % full, and 6 more problems."
    assert [problem.tone for problem in told.problems] == ["bad"] * 5 + ["wait"] * 2
    two = judge(A, misfits=TOO_BIG, own=disk(85))
    assert two.text == "Job too-big fits no machine, and 1 more problem."


def test_where_nothing_is_usable_that_is_why_jobs_fit_nowhere() -> None:
    told = judge(node("a", DOWN), misfits=TOO_BIG, queued=1)
    assert [problem.text for problem in told.problems] == ["No machine can be reached; 1 job waits."]
