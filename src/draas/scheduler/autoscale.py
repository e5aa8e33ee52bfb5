"""Autoscale: how many replicas an app should have by what it has to do. Pure and deterministic: told figures and the time.

Target tracking as the Kubernetes Horizontal Pod Autoscaler does it
(https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/, "Algorithm details" and "Stabilization window"):
ceil(replicas * figure / target); nothing within a tolerance of 10 %; the metric that asks for most decides; what is not known
counts as nothing where there would be more replicas, and as the whole target where there would be fewer; downwards the highest
recommendation of a window counts.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import ceil
from typing import NamedTuple

from draas.model.app import App, AppId, Scaling
from draas.model.app_spec import Autoscale
from draas.scheduler.meter import Figures

TOLERANCE = 0.1  # the HPA's
STABLE_S = 60.0  # downwards: a calm shorter than this takes nobody's replica away, so a square wave does not flap
HOLD_S = 4.0  # both ways: the figures' own window, so that a step is answered once, by all of it, and a spike is not
COOL_DOWN_S = 30.0  # between any change and the next one downwards
SILENCE_S = 10.0  # not asked for so long: what was known is too old to go by
EPSILON = 1e-9  # of floating point: 3.0000000001 replicas are 3


class Demand(NamedTuple):
    """What one metric asks for: at least `low` and at most `high` replicas' worth of its target."""

    low: float
    high: float
    target: float
    unit: str  # what a figure of it is, in words
    sign: str  # what follows a target


class Recommendation(NamedTuple):
    """How many replicas seemed right at a moment. `demand` None: as many as there were."""

    at: float
    replicas: int
    demand: Demand | None


@dataclass(slots=True)
class Course:
    """What must be known of an app from one decision to the next."""

    wanted: int  # when it was last asked about
    at: float
    decided: int | None = None  # the last decision, which may not have been taken over yet
    awake_since: float = 0.0
    # Only those that can still be the highest of the window: each is higher than all after it.
    window: deque[Recommendation] = field(default_factory=deque)
    above_since: float | None = None
    below_since: float | None = None

    def note(self, new: Recommendation) -> None:
        while self.window and self.window[-1].replicas <= new.replicas:
            self.window.pop()
        self.window.append(new)
        while self.window[0].at < new.at - STABLE_S:
            self.window.popleft()


class Autoscaler:
    """Decides; somebody else carries it out. Ask about every app each second, also about those without replicas.

    It must see that the change was made: `App.wanted` and `App.scaled_at` move with each decision that is taken over.
    """

    def __init__(self) -> None:
        self._courses: dict[AppId, Course] = {}

    def forget(self, app_id: AppId) -> None:
        """The app is gone."""
        self._courses.pop(app_id, None)

    def decide(self, app: App, figures: Figures, now: float) -> Scaling | None:
        """How many replicas there should be from now on; None: as many as before. 0 puts the app to sleep."""
        rules = app.spec.autoscale
        if rules is None or app.removing or app.live is None:
            self.forget(app.id)
            return None
        course = self._course(app, now)
        if not app.wanted:  # stopped or asleep: only a person or a request starts it again
            return None
        decided = _into_bounds(app, now) or self._follow(app, course, rules, figures, now)
        if decided is not None:
            course.decided, course.above_since, course.below_since = decided.after, None, None
        return decided

    def _course(self, app: App, now: float) -> Course:
        """What is known of the app. Where somebody else has changed how many there are, that stands for a while as a recommendation."""
        course = self._courses.get(app.id)
        if course is None or not 0 <= now - course.at <= SILENCE_S:
            course = self._courses[app.id] = Course(wanted=app.wanted, at=now, awake_since=now)
            course.note(Recommendation(now, app.wanted, None))
        elif app.wanted != course.wanted:
            if app.wanted != course.decided:
                course.note(Recommendation(now, app.wanted, None))
                course.above_since = course.below_since = None
            if not course.wanted:
                course.awake_since = now
        course.wanted, course.at = app.wanted, now
        return course

    def _follow(self, app: App, course: Course, rules: Autoscale, figures: Figures, now: float) -> Scaling | None:
        new = recommend(app, rules, figures, now)
        course.note(new)
        if _may_sleep(app, course, rules, figures, now):
            return _scaling(app, 0, f"no request for {rules.idle_s:g} s", now)
        up, down = _bounded(app, new.replicas), _bounded(app, course.window[0].replicas)
        course.above_since = _since(course.above_since, up > app.wanted, now)
        course.below_since = _since(course.below_since, down < app.wanted, now)
        if _held(course.above_since, now):
            return _scaling(app, up, _words(app, new), now)
        if _held(course.below_since, now) and now - app.scaled_at >= COOL_DOWN_S:
            return _scaling(app, down, f"at most {_words(app, course.window[0])}, for {STABLE_S:g} s", now)
        return None


def _since(before: float | None, holds: bool, now: float) -> float | None:
    """Since when something holds without a break."""
    if not holds:
        return None
    return now if before is None else before


def _held(since: float | None, now: float) -> bool:
    return since is not None and now - since >= HOLD_S


def recommend(app: App, rules: Autoscale, figures: Figures, now: float) -> Recommendation:
    """What the figures of this moment ask for, whatever the bounds are. More figures, or higher ones, never ask for less."""
    best = Recommendation(now, 0, None)
    for demand in demands(app, rules, figures):
        if demand is None:
            found = Recommendation(now, app.wanted, None)
        else:
            found = Recommendation(now, _replicas(demand, app.wanted), demand)
        best = max(best, found, key=lambda one: (one.replicas, one.demand is not None))
    return best if best.replicas or best.demand else Recommendation(now, app.wanted, None)


def demands(app: App, rules: Autoscale, figures: Figures) -> Iterator[Demand | None]:
    """Each metric that has a target; None where nothing is known of it."""
    missing = max(0, app.wanted - figures.measured)
    for target, total, unit in (
        (rules.requests_per_s, figures.requests_per_s, "requests/s"),
        (rules.concurrency, figures.concurrency, "requests at once"),
    ):
        if target is not None:
            yield _of_all(target, total, figures.whole, unit)
    for target, mean, unit in (
        (rules.cpu_percent, figures.cpu_percent, "% of its CPU"),
        (rules.memory_percent, figures.memory_percent, "% of its memory"),
    ):
        if target is not None:
            yield _of_each(target, mean, figures.measured, missing, unit)


def _of_all(target: float, total: float | None, whole: bool, unit: str) -> Demand | None:
    if total is None:
        return None
    return Demand(low=total / target, high=total / target if whole else float("inf"), target=target, unit=unit, sign="")


def _of_each(target: float, mean: float | None, measured: int, missing: int, unit: str) -> Demand | None:
    if mean is None:
        return None
    low = mean * measured / target
    return Demand(low=low, high=low + missing, target=target, unit=unit, sign=" %")


def _replicas(demand: Demand, wanted: int) -> int:
    if demand.low > wanted * (1 + TOLERANCE):
        return ceil(demand.low - EPSILON)
    if demand.high < wanted * (1 - TOLERANCE):
        return ceil(demand.high - EPSILON)
    return wanted


def _bounded(app: App, replicas: int) -> int:
    """Within the bounds. Figures alone put no app to sleep: without a replica there would be none."""
    return max(1, app.spec.min_replicas, min(replicas, app.spec.max_replicas))


def _into_bounds(app: App, now: float) -> Scaling | None:
    within = _bounded(app, app.wanted)
    if within == app.wanted:
        return None
    bound = "minimum" if within > app.wanted else "maximum"
    return _scaling(app, within, f"the {bound} is {within}", now)


def _may_sleep(app: App, course: Course, rules: Autoscale, figures: Figures, now: float) -> bool:
    """Not while it waits for its first request after it woke up, nor while a release needs replicas to be tried on."""
    if app.spec.min_replicas or app.spec.port is None or figures.idle_s is None or figures.waiting:
        return False
    quiet = min(figures.idle_s, now - course.awake_since) >= rules.idle_s
    return quiet and app.rolling is None and app.pending is None


def _scaling(app: App, after: int, why: str, now: float) -> Scaling:
    return Scaling(at=now, before=app.wanted, after=after, reason=f"{app.wanted} to {after}: {why}")


def _words(app: App, why: Recommendation) -> str:
    """The figure for each of the replicas that there are, its target, and the bound where that decided."""
    if why.demand is None:
        return f"{why.replicas} replicas wanted"
    demand = why.demand
    each = (demand.low if why.replicas > app.wanted else demand.high) * demand.target / app.wanted
    target = f"target {_number(demand.target)}{demand.sign}"
    said = f"{_number(each)} {demand.unit} a replica, {target}"
    bounded = _bounded(app, why.replicas)
    if bounded == max(1, why.replicas):
        return said
    bound = "maximum" if bounded < why.replicas else "minimum"
    return f"{said}; {why.replicas} would do, the {bound} is {bounded}"


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}".removesuffix(".0")
