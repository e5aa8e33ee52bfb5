"""Condition: how the cluster is, in one true sentence, the gravest problem first, each with its remedy. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from draas.lib.disk import Disk
from draas.model.app import App, AppState
from draas.model.job import JobKind, JobState
from draas.model.node import Node, NodeState
from draas.model.release import ReleaseState
from draas.scheduler.disks import DiskLevel, disks_of, effect_of, level_of
from draas.scheduler.misfits import Misfits

Disks = dict[str | None, Disk]  # by the name of a machine; None: the controller's own
NAMED = 3  # more names than this are no help in one sentence


class Tone(StrEnum):
    GOOD = "good"
    WAIT = "wait"  # nothing is broken; somebody should do something
    BAD = "bad"


class About(StrEnum):
    """What a problem is about. `MACHINES`: all of them."""

    MACHINES = "machines"
    MACHINE = "machine"
    CONTROLLER = "controller"
    APP = "app"
    JOB = "job"
    BUILD = "build"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """`subject` is the id of the first job or build, or the name of the first app or machine, that it is about."""

    tone: Tone = Tone.BAD
    text: str
    remedy: str
    about: About
    subject: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """`problems`: the gravest first; none where the tone is good."""

    tone: Tone
    text: str
    problems: tuple[Problem, ...] = ()


def judge_cluster(
    nodes: Iterable[Node],
    apps: Sequence[App],
    jobs: Mapping[JobState, int],
    misfits: Misfits | None,
    own_disk: Disk,
) -> Condition:
    """How it is. `jobs` counts those in each state, `own_disk` is the controller's."""
    here = [node for node in nodes if node.state is not NodeState.LEFT]
    problems = tuple(_problems(here, apps, jobs, misfits, own_disk))
    if not problems:
        return Condition(tone=Tone.GOOD, text=_summary(here, apps, jobs))
    first, others = problems[0], len(problems) - 1
    more = f", and {others} more {'problem' if others == 1 else 'problems'}" if others else ""
    return Condition(tone=first.tone, text=f"{first.text.removesuffix('.')}{more}.", problems=problems)


def _problems(
    here: Sequence[Node], apps: Sequence[App], jobs: Mapping[JobState, int], misfits: Misfits | None, own_disk: Disk
) -> Iterable[Problem]:
    """In the order of what they keep from working: everything, what was running, some machines, some work that waits, nothing yet."""
    usable = [node for node in here if node.state is NodeState.READY and not node.drain]
    if not usable:
        yield _nothing_usable(here, jobs)
    disks: Disks = dict(disks_of(here).values())
    yield from _disk_problems({None: own_disk}, DiskLevel.FULL)
    yield from _app_problems([app for app in apps if app.state in (AppState.FAILED, AppState.DEGRADED)])
    if usable:
        yield from _lost_machines(here)
    yield from _disk_problems(disks, DiskLevel.FULL)
    if usable and misfits is not None:
        yield _misfit_problem(misfits)
    yield from _refused_apps([app for app in apps if app.state is AppState.DEPLOYING and app.refused])
    yield from _warned_apps(apps)
    yield from _disk_problems({None: own_disk, **disks}, DiskLevel.FILLING)


def _nothing_usable(here: Sequence[Node], jobs: Mapping[JobState, int]) -> Problem:
    if not here:
        return Problem(
            tone=Tone.WAIT,
            text="No machine yet.",
            remedy="Add one, and it runs your jobs and apps.",
            about=About.MACHINES,
        )
    away = sum(map(_is_away, here))
    what = "No machine can be reached" if away == len(here) else "No machine takes new work"
    work = jobs.get(JobState.QUEUED, 0) + jobs.get(JobState.WAITING, 0)
    waits = f"; {_count(work, 'job waits', 'jobs wait')}" if work else ""
    remedy = "Look whether the agents run." if away else "Take one back from draining."
    return Problem(text=f"{what}{waits}.", remedy=remedy, about=About.MACHINES)


def _disk_problems(disks: Disks, level: DiskLevel) -> Iterable[Problem]:
    """Of those that have just this level."""
    for name, disk in sorted(disks.items(), key=lambda one: (one[0] is not None, -one[1].share)):
        if level_of(disk.share) is not level:
            continue
        effect, remedy = effect_of(is_controller=name is None)
        yield Problem(
            tone=Tone.BAD if level is DiskLevel.FULL else Tone.WAIT,
            text=f"The disk of {name or 'the controller'} is {disk.share * 100:.0f} % full.",
            remedy=f"{_capital(effect)}: {remedy}.",
            about=About.CONTROLLER if name is None else About.MACHINE,
            subject=name or "",
        )


def _app_problems(broken: Sequence[App]) -> Iterable[Problem]:
    if not broken:
        return
    first = min(broken, key=lambda app: (app.state is not AppState.FAILED, app.name))
    names = _named([first.name, *(app.name for app in broken if app is not first)])
    alone = f"App {first.name} {'has failed' if first.state is AppState.FAILED else 'is degraded'}."
    text = alone if len(broken) == 1 else f"{len(broken)} apps are not healthy: {names}."
    yield Problem(text=text, remedy=_sentence(first.reason), about=About.APP, subject=first.name)


def _lost_machines(here: Sequence[Node]) -> Iterable[Problem]:
    lost = sorted(
        (node for node in here if _is_away(node)), key=lambda node: (node.state is not NodeState.DOWN, node.name)
    )
    if not lost:
        return
    alone = f"Machine {lost[0].name} is {lost[0].state}."
    text = (
        alone
        if len(lost) == 1
        else f"{len(lost)} of {len(here)} machines are away: {_named([one.name for one in lost])}."
    )
    yield Problem(
        text=text,
        remedy="What ran there runs elsewhere; look whether the agent runs.",
        about=About.MACHINE,
        subject=lost[0].name,
    )


def _misfit_problem(misfits: Misfits) -> Problem:
    job = misfits.first
    kind = About.BUILD if job.spec.kind is JobKind.BUILD else About.JOB
    name = job.spec.name or job.id
    alone = f"{_capital(kind)} {name} fits no machine."
    text = alone if misfits.count == 1 else f"{misfits.count:,} jobs fit no machine, {name} among them."
    lacks = _sentence(misfits.lacks)
    remedy = f"{lacks} Ask for less, or add a machine that has it.".strip()
    return Problem(text=text, remedy=remedy, about=kind, subject=job.id)


def _refused_apps(refused: Sequence[App]) -> Iterable[Problem]:
    if not refused:
        return
    first = refused[0]
    alone = f"App {first.name} waits for a place."
    text = (
        alone
        if len(refused) == 1
        else f"{len(refused)} apps wait for a place: {_named([app.name for app in refused])}."
    )
    yield Problem(tone=Tone.WAIT, text=text, remedy=_sentence(first.refused), about=About.APP, subject=first.name)


def _warned_apps(apps: Sequence[App]) -> Iterable[Problem]:
    """What serves, but not as its owner wants it."""
    for app in apps:
        newest = app.newest
        if app.state is not AppState.LIVE:
            continue
        if newest is not None and newest.state is ReleaseState.FAILED:
            text = f"The newest release of {app.name} has failed; release {app.live} serves."
            yield Problem(tone=Tone.WAIT, text=text, remedy=_sentence(newest.reason), about=About.APP, subject=app.name)
        if app.warnings:
            text = f"App {app.name} runs, but people may not reach it."
            remedy = _sentence(app.warnings[0])
            yield Problem(tone=Tone.WAIT, text=text, remedy=remedy, about=About.APP, subject=app.name)


def _summary(here: Sequence[Node], apps: Sequence[App], jobs: Mapping[JobState, int]) -> str:
    running, queued = jobs.get(JobState.RUNNING, 0), jobs.get(JobState.QUEUED, 0)
    draining = sum(node.drain or node.state is NodeState.DRAINING for node in here)
    deploying = sum(app.state is AppState.DEPLOYING for app in apps)
    parts = [_count(len(here), "machine"), *([_count(len(apps), "app")] if apps else [])]
    parts.append(f"{_count(running, 'job')} running" if running else "no job running")
    parts += [f"{queued:,} queued"] if queued else []
    parts += [f"{draining} draining"] if draining else []
    parts.append(f"{_count(deploying, 'deployment')} under way" if deploying else "all healthy")
    return f"{', '.join(parts)}."


def _is_away(node: Node) -> bool:
    return node.state in (NodeState.DOWN, NodeState.DISCONNECTED)


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _sentence(text: str) -> str:
    """`text` with a full stop, as other programs' words have it or not."""
    return f"{text}." if text and text[-1] not in ".!?" else text
