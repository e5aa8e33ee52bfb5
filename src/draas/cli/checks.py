"""What `draas doctor` says of what it found. Pure: facts in, one line each out."""

from dataclasses import dataclass
from typing import Literal

from draas.cli.output import size

Verdict = Literal["ok", "warning", "wrong"]

LOW_DISK_BYTES, NO_DISK_BYTES = 5 * 1024**3, 512 * 1024**2  # an image or two; less, and not even logs have room
SKEW_OK_S = 2.0  # ordinary NTP keeps within it; log times of several machines stay in order


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at. `told` is what was found, `remedy` what to do about it ("" where there is nothing)."""

    name: str
    verdict: Verdict
    told: str
    remedy: str = ""


def check_python(version: tuple[int, int, int]) -> Check:
    """3.11 or newer."""
    told = ".".join(map(str, version))
    if version >= (3, 11, 0):
        return Check(name="Python", verdict="ok", told=told)
    return Check(name="Python", verdict="wrong", told=f"{told} is too old", remedy="install Python 3.11 or newer")


def check_ways(engine_trouble: str, engine: str, sandbox_trouble: str, bwrap: str) -> tuple[Check, Check]:
    """The engine and the sandbox: one of them is enough, without either nothing runs here."""
    lack: Verdict = "wrong" if engine_trouble and sandbox_trouble else "warning"
    found = Check(name="Docker Engine", verdict="ok", told=engine)
    if engine_trouble:
        told, remedy = split_remedy(engine_trouble)
        found = Check(name="Docker Engine", verdict=lack, told=told, remedy=remedy)
    sandbox = Check(name="bubblewrap", verdict="ok", told=bwrap)
    if sandbox_trouble:
        told, remedy = split_remedy(sandbox_trouble)
        sandbox = Check(name="bubblewrap", verdict=lack, told=told, remedy=remedy)
    return found, sandbox


def split_remedy(text: str) -> tuple[str, str]:
    """`cause: remedy` and `cause; remedy` in two; what stands in brackets belongs to the cause."""
    depth = 0
    for at, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0 and text[at : at + 2] in (": ", "; "):
            return text[:at], text[at + 2 :]
    return text, ""


def check_cgroups(version: str, trouble: str) -> Check:
    """Limits of host jobs; without them rlimits are what there is."""
    if version:
        return Check(name="cgroups", verdict="ok", told=f"{version}, limits of host jobs are enforced")
    told, remedy = split_remedy(trouble)
    return Check(name="cgroups", verdict="warning", told=f"{told}, host jobs have rlimits only", remedy=remedy)


def check_folder(path: str, trouble: str) -> Check:
    """The data folder."""
    if not trouble:
        return Check(name="data folder", verdict="ok", told=f"{path} can be written")
    return Check(
        name="data folder",
        verdict="wrong",
        told=f"{path}: {trouble}",
        remedy="make it yours (chown), or choose another with DRAAS_DATA_DIR",
    )


def check_disk(free_bytes: int, path: str) -> Check:
    """Room for images, state and logs."""
    told = f"{size(free_bytes)} free on the disk of {path}"
    if free_bytes >= LOW_DISK_BYTES:
        return Check(name="disk", verdict="ok", told=told)
    verdict: Verdict = "wrong" if free_bytes < NO_DISK_BYTES else "warning"
    return Check(name="disk", verdict=verdict, told=told, remedy="free some, or move the data folder (DRAAS_DATA_DIR)")


def check_controller(url: str, trouble: str, version: str, *, asked_for: bool) -> Check:
    """`asked_for`: somebody said which controller, so that its absence is wrong and not just how things are."""
    if not trouble:
        return Check(name="controller", verdict="ok", told=f"{url} answers, version {version}")
    if not asked_for:
        told = f"none is configured, and none runs at {url}"
        return Check(name="controller", verdict="warning", told=told, remedy="draas up, or set DRAAS_URL and DRAAS_KEY")
    told, remedy = split_remedy(trouble)
    return Check(name="controller", verdict="wrong", told=told, remedy=remedy)


def check_key(trouble: str) -> Check:
    """Whether the controller takes the key."""
    if not trouble:
        return Check(name="key", verdict="ok", told="the controller accepts it")
    told, remedy = split_remedy(trouble)
    return Check(name="key", verdict="wrong", told=told, remedy=remedy or "set DRAAS_KEY")


def check_skew(behind_s: float, limit_s: float) -> Check:
    """`behind_s`: how far this machine's clock is behind the controller's (negative: ahead)."""
    side = "behind" if behind_s > 0 else "ahead of"
    told = f"{abs(behind_s):.1f} s {side} the controller's"
    if abs(behind_s) <= SKEW_OK_S:
        return Check(name="clock", verdict="ok", told=told)
    verdict: Verdict = "wrong" if abs(behind_s) > limit_s else "warning"
    return Check(
        name="clock", verdict=verdict, told=told, remedy="set it, for example with NTP (timedatectl set-ntp true)"
    )


def check_far_disk(machine: str, warning: str) -> Check:
    """A disk of the cluster that fills up, in the controller's words."""
    told, remedy = split_remedy(warning)
    return Check(name="disk", verdict="warning", told=f"{machine}: {told}", remedy=remedy)
