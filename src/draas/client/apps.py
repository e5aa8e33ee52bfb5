"""AppCalls: every route of apps as a typed method of the client. Answers are the plain dictionaries of draas.wire.app_views."""

from collections.abc import AsyncIterator, Mapping
from typing import Any, cast
from urllib.parse import quote

import msgspec

from draas.client.transport import Parameters, Transport
from draas.wire.app_views import (
    AppExplanationView,
    AppList,
    AppLogLineView,
    AppView,
    PlanView,
    ReleaseList,
    ReplicaList,
    ScalingList,
)


class AppCalls:
    """What a Client can do with apps. Methods raise DraasError."""

    transport: Transport

    async def apps(self, *, state: str | None = None, project: str | None = None) -> AppList:
        """All apps, by name."""
        return cast(AppList, await self.transport.call("GET", "/api/apps", query=given(state=state, project=project)))

    async def app(self, name: str) -> AppView:
        """An app with its releases and replicas."""
        return cast(AppView, await self.transport.call("GET", _app(name)))

    async def put_app(self, name: str, app: Mapping[str, object], project: str | None = None) -> AppView:
        """The app should be so, from the fields of draas.yaml. The same again changes nothing."""
        return cast(AppView, await self.transport.call("PUT", _app(name), app, given(project=project)))

    async def plan_app(self, name: str, app: Mapping[str, object], project: str | None = None) -> PlanView:
        """What `put_app` would change."""
        return cast(PlanView, await self.transport.call("POST", _app(name, "/plan"), app, given(project=project)))

    async def scale_app(self, name: str, replicas: int) -> AppView:
        """So many replicas; 0 stops it."""
        return cast(AppView, await self.transport.call("POST", _app(name, "/scale"), {"replicas": replicas}))

    async def restart_app(self, name: str) -> AppView:
        """Replace every replica."""
        return cast(AppView, await self.transport.call("POST", _app(name, "/restart")))

    async def roll_back_app(self, name: str, release: int | None = None) -> AppView:
        """A new release with the content of an earlier one; None: of the one before the live one."""
        return cast(AppView, await self.transport.call("POST", _app(name, "/rollback"), {"release": release}))

    async def decide_canary(self, name: str, *, promote: bool) -> AppView:
        """Roll the canary out to all, or take it back."""
        body = {"action": "promote" if promote else "abort"}
        return cast(AppView, await self.transport.call("POST", _app(name, "/canary"), body))

    async def rebalance_apps(self, name: str | None = None, project: str | None = None) -> AppList:
        """Spread the replicas of an app, or of all, over the nodes that are there now."""
        body = {"name": name} if name is not None else {}
        return cast(AppList, await self.transport.call("POST", "/api/apps/rebalance", body, given(project=project)))

    async def remove_app(self, name: str) -> None:
        """Its containers, routes, names, releases and output go."""
        await self.transport.call("DELETE", _app(name))

    async def releases(self, name: str) -> ReleaseList:
        """The newest first."""
        return cast(ReleaseList, await self.transport.call("GET", _app(name, "/releases")))

    async def replicas(self, name: str, *, past: bool = True) -> ReplicaList:
        """The newest first; with `past` also those that have ended."""
        query = given(past=None if past else "false")
        return cast(ReplicaList, await self.transport.call("GET", _app(name, "/replicas"), query=query))

    async def scalings(self, name: str) -> ScalingList:
        """Decisions about how many, the newest first."""
        return cast(ScalingList, await self.transport.call("GET", _app(name, "/scalings")))

    async def explain_app(self, name: str) -> AppExplanationView:
        """Why it is as it is."""
        return cast(AppExplanationView, await self.transport.call("GET", _app(name, "/explain")))

    async def app_schema(self) -> dict[str, Any]:
        """JSON Schema of draas.yaml."""
        return cast("dict[str, Any]", await self.transport.call("GET", "/api/schemas/app.json"))

    async def watch_app(self, name: str) -> AsyncIterator[AppView]:
        """The app now and at each change, until it is removed; a cut connection is resumed."""
        async for frame in self.transport.frames(_app(name, "/watch"), {}, end="end"):
            if frame.kind == "app":
                yield cast(AppView, msgspec.json.decode(frame.data))

    async def app_logs(
        self,
        name: str,
        *,
        replica: str | None = None,
        past: bool = False,
        stream: str | None = None,
        tail: int | None = None,
        since: str | None = None,
        grep: str | None = None,
        follow: bool = False,
    ) -> AsyncIterator[AppLogLineView]:
        """The output of the replicas, merged, or of one; with `follow` as it is written. A cut connection is resumed."""
        query = given(
            replica=replica,
            past="true" if past else None,
            stream=stream,
            tail=str(tail) if tail is not None else None,
            since=since,
            grep=grep,
            follow="true" if follow else None,
        )
        async for frame in self.transport.frames(_app(name, "/logs"), query, end="end"):
            if frame.kind == "line":
                yield cast(AppLogLineView, msgspec.json.decode(frame.data))


def given(**values: str | list[str] | None) -> Parameters:
    """Query parameters without those that are None."""
    return {name: value for name, value in values.items() if value is not None}


def _app(name: str, rest: str = "") -> str:
    return f"/api/apps/{quote(name, safe='')}{rest}"
