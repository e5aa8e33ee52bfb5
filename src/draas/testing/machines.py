"""Machine: one of several "machines" on this host, as real as software can tell.

It has network, mount, process, host-name and IPC namespaces of its own, a Docker Engine, an address, a disk of bounded size and a
control group. Its pid 1 is a plain init, so that engine and agent can be killed alone, and a power cut takes everything at once.
Each has a second network line, the console, which a partition does not cut: what runs there can go on telling a test what it does.
"""

import os
import shlex
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from draas.lib import clock
from draas.testing.control_group import ControlGroup
from draas.testing.engine import answers, end_of

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0
DISK_BYTES = 512 * 1024 * 1024
ENGINE_NETWORK = "192.168.231.1/24"  # every machine may have the same: nobody outside sees it


class OnMachine:
    """A program that runs on a machine. Its output goes to `log`."""

    def __init__(self, popen: subprocess.Popen[bytes], log: Path) -> None:
        self._popen = popen
        self.log = log

    @property
    def pid(self) -> int:
        """As the host counts. Raises RuntimeError where it has ended."""
        deadline = clock.monotonic() + START_TIMEOUT_S
        while self._popen.poll() is None and clock.monotonic() < deadline:
            try:
                if children := psutil.Process(self._popen.pid).children():
                    return int(children[0].pid)
            except psutil.NoSuchProcess:
                break
            clock.pause(0.005)
        raise RuntimeError(f"it does not run: {self.output()[-2000:]}")

    def running(self) -> bool:
        return self._popen.poll() is None

    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def kill(self) -> None:
        """SIGKILL it, and nothing else."""
        if self._popen.poll() is None:
            os.kill(self.pid, signal.SIGKILL)
        self.wait()

    def terminate(self) -> None:
        """SIGTERM it, and wait for its end."""
        if self._popen.poll() is None:
            os.kill(self.pid, signal.SIGTERM)
        self.wait()

    def wait(self, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """Its exit code. Raises subprocess.TimeoutExpired."""
        return self._popen.wait(timeout_s)


class Machine:
    """`power_on` boots it and its engine; see draas.testing.rack for making several and for their network."""

    def __init__(self, number: int, folder: Path, group: ControlGroup, disk: Path) -> None:
        self.number = number
        self.name = f"m{number}"
        self.folder = folder
        self.disk = disk
        self._group = group
        self._unshare: subprocess.Popen[bytes] | None = None
        self._init = 0
        self._engine: OnMachine | None = None
        self._engine_starts = 0
        self._programs: list[OnMachine] = []
        self.address = ""

    # --- power ---

    def boot(self, address: str) -> int:
        """Its namespaces and pid 1, without network or engine yet. Returns the host's number for pid 1."""
        self.address = address
        for part in ("etc", "sys"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        # Nobody answers there, and at once: an engine that asks a dead name server waits for seconds.
        (self.folder / "etc" / "resolv.conf").write_text("nameserver 127.0.0.1\n")
        (self.folder / "etc" / "hosts").write_text(f"127.0.0.1 localhost\n{address} {self.name}\n")
        # An idle CPU: else each machine would take the whole host's work for its own.
        (self.folder / "etc" / "stat").write_text(Path("/proc/stat").read_text())
        self._group.make()
        boot = f"{self._group.enter_script()}; exec unshare -n -m -u -i -p -f --mount-proc --kill-child sh -c {shlex.quote(self._boot_script())}"
        with (self.folder / "boot.log").open("ab") as log:
            self._unshare = subprocess.Popen(
                ["sh", "-c", boot], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, start_new_session=True
            )
        assert self._unshare.stdout is not None
        if self._unshare.stdout.readline() != b"booted\n":
            raise RuntimeError(f"{self.name} does not boot: {end_of(self.folder / 'boot.log')}")
        self._init = psutil.Process(self._unshare.pid).children()[0].pid
        return self._init

    def _boot_script(self) -> str:
        sys, etc = shlex.quote(str(self.folder / "sys")), shlex.quote(str(self.folder / "etc"))
        return f"""set -e
hostname {self.name}
mount --make-rprivate /
mount -t sysfs sysfs {sys}
mount --rbind /sys/fs/cgroup {sys}/fs/cgroup
mount --rbind {sys} /sys
mount -t tmpfs tmpfs /run
for name in resolv.conf hosts; do
  file=$(readlink -m /etc/$name); mkdir -p "$(dirname "$file")"; touch "$file"; mount --bind {etc}/$name "$file"
done
mount --bind {etc}/stat /proc/stat
ip link set lo up
echo booted
exec docker-init -s -- sleep infinity >/dev/null"""

    def cut_power(self) -> None:
        """Every process is gone at once. The caller has cut the network first, so that nobody hears of it."""
        if self._init:
            os.kill(self._init, signal.SIGKILL)  # pid 1: the kernel kills the whole namespace with it
        self._group.kill()
        self.after_end()

    def after_end(self) -> None:
        """Its processes were killed from outside: let go of what this process holds of them."""
        if self._unshare is not None:
            self._unshare.wait(STOP_TIMEOUT_S)
            if self._unshare.stdout is not None:
                self._unshare.stdout.close()
        for program in self._programs:
            program.wait()
        self._programs.clear()
        self._unshare, self._init, self._engine = None, 0, None

    @property
    def is_on(self) -> bool:
        return self._unshare is not None and self._unshare.poll() is None

    @property
    def init_pid(self) -> int:
        """The host's number for its pid 1."""
        return self._init

    def pause(self) -> None:
        """It hangs: nothing in it runs, its addresses stay."""
        self._group.freeze(True)

    def resume(self) -> None:
        """It goes on, and does not know that it hung."""
        self._group.freeze(False)

    def limit(self, *, memory_bytes: int | None = None, cpus: float | None = None) -> None:
        """A small machine; None lifts the limit."""
        self._group.limit(memory_bytes=memory_bytes, cpus=cpus)

    # --- the engine ---

    @property
    def engine_socket(self) -> Path:
        """The engine's socket as this host sees it."""
        return Path(f"/proc/{self._init}/root/run/docker.sock")

    def start_engine(self) -> None:
        """Start the engine on the machine's disk and wait until it answers. Raises RuntimeError with the end of its log."""
        self._engine_starts += 1  # the pid file of a killed engine may name a living process: each start has its own
        words = [
            *("dockerd", "--data-root", str(self.disk / "docker"), "--exec-root", "/run/docker"),
            *("--pidfile", f"/run/docker.{self._engine_starts}.pid", "--cgroup-parent", self._group.name),
            *("--exec-opt", "native.cgroupdriver=cgroupfs", "--bip", ENGINE_NETWORK, "--log-level", "warn"),
        ]
        self._engine = self.start(words, "engine.log")
        deadline = clock.monotonic() + START_TIMEOUT_S
        while not answers(self.engine_socket):
            if not self._engine.running() or clock.monotonic() > deadline:
                raise RuntimeError(f"the engine of {self.name} did not start: {end_of(self._engine.log)}")
            clock.pause(0.02)

    def kill_engine(self) -> None:
        """SIGKILL dockerd and its containerd; containers and their shims are left behind."""
        assert self._engine is not None
        engine = psutil.Process(self._engine.pid)
        parts = [engine, *(child for child in engine.children() if child.name() == "containerd")]
        for part in parts:
            part.kill()
        self._engine.wait()
        psutil.wait_procs(parts, timeout=STOP_TIMEOUT_S)
        self._engine = None
        (Path(f"/proc/{self._init}/root/run/docker.sock")).unlink(missing_ok=True)
        Path(f"/proc/{self._init}/root/run/docker/containerd/containerd.pid").unlink(missing_ok=True)

    # --- programs on it ---

    def start(
        self, words: Sequence[str], log: str, env: Mapping[str, str] | None = None, *, fresh: bool = False
    ) -> OnMachine:
        """Start a program on the machine; its output is added to the file `log` of the machine's folder."""
        path = self.folder / log
        inside = ["nsenter", "-t", str(self._init), "-n", "-m", "-u", "-i", "-p", "--", *words]
        script = f'{self._group.enter_script()}; exec "$@"'
        with path.open("wb" if fresh else "ab") as out:
            popen = subprocess.Popen(
                ["sh", "-c", script, "sh", *inside],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env={**os.environ, **(env or {})},
                start_new_session=True,
            )
        program = OnMachine(popen, path)
        self._programs = [*(one for one in self._programs if one.running()), program]
        return program

    def run(self, *words: str, timeout_s: float = 30.0) -> str:
        """Run a program on the machine to its end; its output. Raises RuntimeError where it fails."""
        inside = ["nsenter", "-t", str(self._init), "-n", "-m", "-u", "-i", "-p", "--", *words]
        done = subprocess.run(inside, capture_output=True, text=True, timeout=timeout_s, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{self.name}: {' '.join(words)} gave {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    def docker(self, *words: str) -> str:
        """Docker's command line on the machine."""
        return self.run("docker", *words)

    # --- the disk ---

    @property
    def _ballast(self) -> Path:
        return self.disk / "ballast"

    def fill_disk(self, share: float = 1.0) -> None:
        """Fill the disk up to `share` of it with a file that is nobody's."""
        self.free_disk()
        found = os.statvfs(self.disk)
        used = (found.f_blocks - found.f_bfree) * found.f_frsize
        wanted = int(found.f_blocks * found.f_frsize * share) - used
        with self._ballast.open("wb") as out:
            if wanted > 0:
                os.posix_fallocate(out.fileno(), 0, wanted)

    def free_disk(self) -> None:
        """Remove that file."""
        self._ballast.unlink(missing_ok=True)
