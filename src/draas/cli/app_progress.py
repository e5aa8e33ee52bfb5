"""Progress of a roll-out: what is new between two looks at an app, in calm lines, and how it ended. Pure."""

import re
from typing import Any, NamedTuple

_COUNT_ALONE = re.compile(r"release [0-9]+: [0-9]+ of [0-9]+ replicas ready")
_COUNTS = re.compile(r"[0-9]+(\.[0-9]+)?")


class Outcome(NamedTuple):
    """How a roll-out ended: the exit code, and a line about it."""

    code: int
    told: str


class Progress:
    """`news` of each look at the app, for release `release`. `beyond`: replicas up to this number are to be replaced."""

    def __init__(self, release: int | None, beyond: int = 0) -> None:
        self.release = release
        self.beyond = beyond
        self._phases: dict[int, str] = {}
        self._said: set[str] = set()
        self._looks = 0

    def news(self, app: Any) -> list[str]:
        """Lines about what has changed since the look before; replicas that were there at the first look are no news."""
        self._looks += 1
        lines = []
        mine = [
            one for one in (*app["past"], *app["replicas"]) if one["release"] == self.release or self.release is None
        ]
        for replica in sorted(mine, key=lambda one: int(one["number"])):
            phase = phase_of(replica)
            if replica["number"] > self.beyond and self._phases.get(replica["number"]) != phase:
                is_old = self._looks == 1 and phase in ("healthy", "stopped")
                self._phases[replica["number"]] = phase
                if phase and phase != "stopped" and not is_old:
                    lines.append(f"{name_of(app, replica)} on {replica['node']}: {phase}")
        return lines or self._reason(app)

    def _reason(self, app: Any) -> list[str]:
        """What stands in the way where nothing moves, once; figures in it may change as they like."""
        reason = str(app["reason"])
        told = _COUNTS.sub("#", reason)
        mine = [one for one in app["replicas"] if one["release"] == self.release]
        moving = any(phase_of(one) not in ("healthy", "stopped") for one in mine)
        is_old = self._looks == 1 and app["state"] != "deploying"
        if (
            not reason
            or moving
            or is_old
            or told in self._said
            or app["state"] == "live"
            or _COUNT_ALONE.fullmatch(reason)
        ):
            return []
        self._said.add(told)
        return [f"{app['name']}: {reason}"]

    def outcome(self, app: Any) -> Outcome | None:
        """How it ended; None while it goes on."""
        name = app["name"]
        wanted = next((one for one in app["releases"] if one["number"] == self.release), None)
        if app["removing"]:
            return Outcome(1, f"{name} is being removed")
        if wanted is not None and wanted["state"] == "failed":
            serves = f"; release {app['release']} serves on" if app["release"] is not None else ""
            return Outcome(1, f"{name}: release {self.release} failed: {wanted['reason']}{serves}")
        if wanted is not None and wanted["canary"] == "testing" and wanted["state"] == "rolling":
            return Outcome(0, f"{name}: the canary of release {self.release} is up: promote or abort it")
        if self.release is not None and app["release"] is not None and app["release"] > self.release:
            return Outcome(
                1, f"{name}: release {app['release']} was asked for after release {self.release}, and serves"
            )
        if app["release"] != self.release:
            return None
        if app["state"] == "failed" and self._looks > 1:
            return Outcome(1, f"{name} failed: {app['reason']}")
        return self._settled(app)

    def _settled(self, app: Any) -> Outcome | None:
        name, wanted, healthy = app["name"], app["wanted"], app["healthy"]
        old = any(one["number"] <= self.beyond for one in app["replicas"])
        if app["state"] == "stopped" and not app["replicas"]:
            return Outcome(0, f"{name} is stopped: no replicas are wanted")
        if app["state"] != "live" or old or healthy < wanted:
            return None
        count = f"{healthy} of {wanted} {'replica' if wanted == 1 else 'replicas'}"
        return Outcome(0, f"{name} is live: release {app['release']}, {count}" if wanted else f"{name} sleeps")

    def failing(self, app: Any) -> Any | None:
        """The newest replica that did not come up."""
        mine = [one for one in (*app["replicas"], *app["past"]) if one["release"] == self.release]
        bad = [one for one in mine if one["state"] == "failed" or one["health"] == "unhealthy"]
        return max(bad, key=lambda one: int(one["number"]), default=None)


def phase_of(replica: Any) -> str:
    """What a replica does, in words that do not change with each per cent."""
    match replica["state"]:
        case "assigned":
            return ""
        case "preparing":
            return "pulling" if "pull" in replica["detail"] else "preparing"
        case "starting":
            return "starting"
        case "running" if replica["health"] == "healthy":
            return "healthy"
        case "running":
            return why_not(replica) if replica["health"] == "unhealthy" else "starting"
        case "failed":
            return f"failed: {why_not(replica)}"
        case state:
            return str(state)


def why_not(replica: Any) -> str:
    """Cause and remedy of a replica that does not serve."""
    facts = [f"exit code {replica['exit_code']}"] if replica["exit_code"] is not None else []
    facts += ["out of memory"] if replica["oom"] else []
    detail = replica["detail"] or replica["cause"] or "not healthy"
    missing = [fact for fact in facts if fact not in detail]
    return f"{detail} ({', '.join(missing)})" if missing else str(detail)


def name_of(app: Any, replica: Any) -> str:
    """As its output is marked."""
    return f"{app['name']}.{replica['number']}"
