"""Which apps a proxy refuses, found by asking it with fewer and fewer of them."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from draas.ingress.proxy import Applied, ProxyTrouble
from draas.ingress.serving import Serving
from draas.ingress.table import last_good
from draas.lib.values import replace
from draas.model.route import AppRoute

Check = Callable[[Serving], Awaitable[str]]  # why the proxy does not take it, "" if it does


async def acceptable(serving: Serving, before: Mapping[str, AppRoute], check: Check) -> tuple[Serving, Applied]:
    """`serving` as far as the proxy takes it: a refused app has its last good route, or none.

    Raises ProxyTrouble where it takes nothing, whatever the apps.
    """
    if not (reason := await check(serving)):
        return serving, Applied(routes=serving.routes)
    changed = [app for app, route in serving.routes.items() if before.get(app) != route]
    same = {app: route for app, route in serving.routes.items() if before.get(app) == route}
    if reason_of_rest := await check(replace(serving, routes=same)):
        raise ProxyTrouble(reason_of_rest)

    async def ask(apps: Sequence[str]) -> str:
        return await check(replace(serving, routes={**same, **{app: serving.routes[app] for app in apps}}))

    faults = await refused(changed, ask, reason)
    routes = {app: route for app, route in serving.routes.items() if app not in faults}
    for app in faults:
        good = last_good(serving.routes[app], before.get(app))
        if good is not None and not await check(replace(serving, routes={**routes, app: good})):
            routes[app] = good
    kept = replace(serving, routes=dict(sorted(routes.items())))
    if reason := await check(kept):
        raise ProxyTrouble(reason)
    return kept, Applied(routes=kept.routes, faults=faults)


async def refused(
    apps: Sequence[str], ask: Callable[[Sequence[str]], Awaitable[str]], reason: str = ""
) -> dict[str, str]:
    """Those of `apps` that are refused also by themselves, with the reason. `reason`: why all together are, if known."""
    if not apps or not (reason or (reason := await ask(apps))):
        return {}
    if len(apps) == 1:
        return {apps[0]: reason}
    middle = len(apps) // 2
    return {**await refused(apps[:middle], ask), **await refused(apps[middle:], ask)}
