"""A reverse proxy for this machine's ingress: `plan_proxy` decides what to do, `ensure_proxy` does it. Without one, DRaaS goes on."""

import os
import shutil
from dataclasses import dataclass

from draas.cli.engine_setup import SBIN, EngineTrouble, Say, install_packages

WITHOUT = "apps have no names here and are reached by node and port"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyFacts:
    """What was found. `wanted`: the one that was asked for, if any."""

    wanted: str | None = None
    installed: frozenset[str] = frozenset()
    root: bool = False
    apt: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyPlan:
    """`install`: a Debian package to get ("" where nothing is to be done); `missing`: one line why there will be no proxy."""

    install: str = ""
    missing: str = ""


def plan_proxy(facts: ProxyFacts) -> ProxyPlan:
    """What to do so that there is a proxy."""
    if facts.wanted in facts.installed or (facts.wanted is None and facts.installed):
        return ProxyPlan()
    name = facts.wanted or "haproxy"
    if facts.root and facts.apt:
        return ProxyPlan(install={"haproxy": "haproxy", "nginx": "nginx-light"}[name])
    how = f"as root: apt-get install {name}" if facts.apt else f"install {name} with your system's package tool"
    return ProxyPlan(missing=f"no {name} is installed, so {WITHOUT}; {how}")


async def ensure_proxy(wanted: str | None, say: Say) -> None:
    """Have a proxy on this machine where that is possible; else `say` one line. Never raises for a lack."""
    path = f"{os.environ.get('PATH', os.defpath)}:{SBIN}"
    plan = plan_proxy(
        ProxyFacts(
            wanted=wanted,
            installed=frozenset(name for name in ("haproxy", "nginx") if shutil.which(name, path=path)),
            root=os.geteuid() == 0,
            apt=shutil.which("apt-get", path=path) is not None,
        )
    )
    if plan.missing:
        say(plan.missing)
    if plan.install:
        try:
            await install_packages((plan.install,), say)
        except EngineTrouble as trouble:
            say(f"no proxy could be installed, so {WITHOUT}: {trouble}")
