"""Plan: what a PUT of an app would change, field by field. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from draas.lib.values import replace
from draas.model.app import App
from draas.model.app_spec import AppSpec, same_containers, same_release
from draas.model.probe import Probe, ProbeKind
from draas.model.release import ReleaseState
from draas.server.api.render_apps import render_spec
from draas.wire.app_views import ChangeView, PlanView


def plan_app(name: str, project: str, old: App | None, spec: AppSpec) -> PlanView:
    """What would become of `old` (None: there is no such app). A new app's defaults are no changes."""
    before = old.spec if old is not None else _blank(spec)
    changes = list(_changes(dict(_flat(render_spec(before))), dict(_flat(render_spec(spec)))))
    if old is None:
        changes = [{**change, "before": None} for change in changes if change["after"] is not None]
    # What failed is tried again by the same spec: see draas.scheduler.app_commands.
    again = old is not None and old.newest is not None and old.newest.state is ReleaseState.FAILED
    known = "update" if changes or again else "none"
    return {
        "app": name,
        "project": project,
        "action": known if old is not None else "create",
        "release": old is None or again or not same_release(before, spec),
        "restarts": old is None or again or not same_containers(before, spec),
        "changes": changes,
    }


def _blank(spec: AppSpec) -> AppSpec:
    """An app that says nothing: what it would be without any of what `spec` says."""
    blank = AppSpec(image="")
    return blank if spec.port is not None else replace(blank, health=Probe(kind=ProbeKind.NONE))


def _flat(fields: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Paths and values of what is set; replicas stay together, as people say them."""
    for name, value in fields.items():
        path = f"{prefix}{name}"
        if path == "replicas":
            yield path, value["min"] if value["min"] == value["max"] else dict(value)
        elif isinstance(value, Mapping):
            yield from _flat(value, f"{path}.")
        elif value is not None and value != []:
            yield path, value


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[ChangeView]:
    for path in dict.fromkeys((*after, *before)):
        if before.get(path) != after.get(path):
            yield {"path": path, "before": before.get(path), "after": after.get(path)}
