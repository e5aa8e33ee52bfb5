"""PowerDisk: a file system whose plug can be pulled, after which it has what was flushed to it and nothing else.

It is ext4 in a file behind a loop device. What programs write lies in the file system's own cache until they flush it, so that a copy of the file is
what a disk would have kept. A kill of the programs alone shows nothing of that: the kernel writes their cache out later.
"""

import os
import signal
import subprocess
from pathlib import Path
from types import TracebackType

ONLY_WHEN_ASKED = "commit=600"  # seconds between the journal's own commits; ext4's default of 5 would flush by luck


class PowerDisk:
    """`with PowerDisk(scratch) as disk:` is mounted at `disk.folder`. Needs root and a loop device."""

    def __init__(self, scratch: Path, size_mb: int = 256) -> None:
        self.folder = scratch / "disk"
        self._content, self._kept = scratch / "disk.ext4", scratch / "kept.ext4"
        self._size_mb = size_mb

    def __enter__(self) -> "PowerDisk":
        self.folder.mkdir()
        with self._content.open("xb") as file:
            file.truncate(self._size_mb * 1024 * 1024)
        _do("mkfs.ext4", "-q", "-F", "-m", "0", str(self._content))
        self._mount()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _do("umount", "-l", str(self.folder))

    def pull_the_plug(self, *programs: "subprocess.Popen[bytes] | subprocess.Popen[str]") -> None:
        """`programs`, which write to it, are gone at one instant, and the disk is back with what it had kept at that instant."""
        for program in programs:
            os.kill(program.pid, signal.SIGSTOP)
        _do("cp", "--sparse=always", str(self._content), str(self._kept))
        for program in programs:
            program.kill()
            program.wait()
        _do("umount", "-l", str(self.folder))
        self._kept.replace(self._content)  # the old one goes with its loop device, which still has it open
        self._mount()

    def _mount(self) -> None:
        _do("mount", "-o", f"loop,{ONLY_WHEN_ASKED}", str(self._content), str(self.folder))


def _do(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()}")
