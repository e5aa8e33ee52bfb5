"""What an engine says of itself: pure."""

from dataclasses import dataclass
from typing import Any

from draas.agent.runtimes.docker.api import VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What does not change while an engine runs."""

    version: str
    api_version: str
    arch: str
    has_init: bool


def read_facts(version: dict[str, Any]) -> Facts:
    """From GET /version."""
    parts = {part["Name"]: part["Version"] for part in version.get("Components") or ()}
    return Facts(
        version=version["Version"],
        api_version=version["ApiVersion"],
        arch=version["Arch"],
        has_init=parts.get("docker-init", "N/A") not in ("N/A", ""),
    )


def what_is_missing(version: dict[str, Any]) -> str:
    """One line where this engine cannot serve us; else nothing."""
    have, need = version["ApiVersion"], VERSION
    if tuple(map(int, have.split("."))) < tuple(map(int, need.split("."))):
        return f"Docker Engine {version['Version']} speaks API {have}, {need} is needed: update it to 20.10 or later"
    if version.get("Os") != "linux":
        return f"Docker Engine runs {version.get('Os')} containers, linux ones are needed: switch it over"
    return ""
