"""Plan: what a decision wants changed. Data only; it leaves no choice for later."""

from collections.abc import Iterable
from dataclasses import dataclass

from draas.model.allocation import NodeId
from draas.model.app import App, AppId
from draas.model.event import Event
from draas.model.job import Job, JobId
from draas.model.node import Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """New versions of whole objects, in order. Applying it to the cluster and committing it is somebody else's work."""

    jobs: tuple[Job, ...] = ()
    nodes: tuple[Node, ...] = ()
    gone_jobs: tuple[JobId, ...] = ()
    gone_nodes: tuple[NodeId, ...] = ()
    apps: tuple[App, ...] = ()
    gone_apps: tuple[AppId, ...] = ()
    events: tuple[Event, ...] = ()

    def __bool__(self) -> bool:
        return bool(
            self.jobs or self.nodes or self.gone_jobs or self.gone_nodes or self.apps or self.gone_apps or self.events
        )


EMPTY = Plan()


def merge(plans: Iterable[Plan]) -> Plan:
    """One plan that does what `plans` do in this order."""
    all_plans = [plan for plan in plans if plan]
    if len(all_plans) == 1:
        return all_plans[0]
    return Plan(
        jobs=tuple(job for plan in all_plans for job in plan.jobs),
        nodes=tuple(node for plan in all_plans for node in plan.nodes),
        gone_jobs=tuple(job for plan in all_plans for job in plan.gone_jobs),
        gone_nodes=tuple(node for plan in all_plans for node in plan.gone_nodes),
        apps=tuple(app for plan in all_plans for app in plan.apps),
        gone_apps=tuple(app for plan in all_plans for app in plan.gone_apps),
        events=tuple(event for plan in all_plans for event in plan.events),
    )
