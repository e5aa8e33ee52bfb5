"""Whether a step of a build was killed for want of memory, which neither the step nor BuildKit can tell."""

import os
from contextlib import suppress

from draas.agent.runtimes.build.group import BuildGroup
from draas.agent.runtimes.process.cgroup_files import Setting, parse_value


class MemoryWatch:
    """Whether a step was killed for want of memory since this was made, and the most that all took together."""

    def __init__(self, group: BuildGroup) -> None:
        self._group = group
        self._event = -1
        if group.version == "v2":
            self._before = self._killed()
            return
        with suppress(OSError):
            group.write(Setting("memory", "memory.max_usage_in_bytes", "0"))
        # In v1 the count is kept by the step's own group, which is gone with it; the event reaches the groups above too.
        folder = group.folders["memory"]
        self._event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        control = os.open(f"{folder}/memory.oom_control", os.O_RDONLY)
        try:  # a kernel without it leaves the build with its limit, and with a step that ended with 137
            group.write(Setting("memory", "cgroup.event_control", f"{self._event} {control}", optional=True))
        finally:
            os.close(control)

    def _killed(self) -> int:
        return parse_value(self._group.read("", "memory.events"), "oom_kill") or 0

    @property
    def ran_out(self) -> bool:
        """Once: asked again it tells of what happened since."""
        if self._event < 0:
            before, self._before = self._before, self._killed()
            return self._before > before
        try:
            return os.eventfd_read(self._event) > 0
        except BlockingIOError:
            return False

    @property
    def peak_bytes(self) -> int:
        text = self._group.read("memory", "memory.peak" if self._group.version == "v2" else "memory.max_usage_in_bytes")
        return int(text or 0)

    def close(self) -> None:
        if self._event >= 0:
            os.close(self._event)
