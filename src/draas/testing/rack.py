"""Rack: several machines (draas.testing.machines) on a switch, on this host alone; needs root and Debian's docker.io, iproute2,
iptables and util-linux.

Several racks on one host do not clash: each has a number, held by a locked file while its process lives, and from it its
addresses and names. What a killed process left behind is removed by the next rack that starts, which knows it by the free lock.

The switch is a network namespace of its own with two bridges: the machines' network (this host is `.1` in it), and the console.
Bridges in the host's own namespace would have their frames judged by the host's firewall, which Docker sets to drop.
"""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from draas.testing.control_group import ControlGroup
from draas.testing.machines import DISK_BYTES, Machine

STATE = Path("/var/tmp/draas-racks")
RACKS = range(1, 120)
NET, CONSOLE = 211, 212  # second byte of the addresses: 10.211.RACK.x and 10.212.RACK.x
MEMORY_FILES = "size={size},mode=0755"


class Rack:
    """`with Rack(3) as rack:` has three machines that are on. `address` is this host on their network, `console` on the other."""

    def __init__(self, size: int, *, disk_bytes: int = DISK_BYTES) -> None:
        self._size = size
        self._disk_bytes = disk_bytes
        self._lock: BinaryIO | None = None
        self._switch: subprocess.Popen[bytes] | None = None
        self.number = 0
        self.machines: list[Machine] = []

    def __enter__(self) -> "Rack":
        try:
            self.open()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def folder(self) -> Path:
        return _folder(self.number)

    @property
    def address(self) -> str:
        return f"10.{NET}.{self.number}.1"

    @property
    def console(self) -> str:
        return f"10.{CONSOLE}.{self.number}.1"

    def open(self) -> None:
        """Switch and machines, all on. Raises RuntimeError naming what could not be done."""
        self._lock, self.number = _claim()
        self.folder.mkdir(parents=True)
        self._start_switch()
        for number in range(1, self._size + 1):
            group = ControlGroup(f"{_group(self.number).name}/m{number}")
            disk = self.small_disk(f"m{number}-disk", self._disk_bytes)
            folder = self.folder / f"m{number}"
            folder.mkdir()
            self.machines.append(Machine(number, folder, group, disk))
        with ThreadPoolExecutor() as pool:
            list(pool.map(self.power_on, self.machines))

    def close(self) -> None:
        """Remove all of it, also where only a part was made."""
        if self._lock is None:
            return
        _sweep(self.number)
        for machine in self.machines:
            machine.after_end()
        if self._switch is not None:
            self._switch.wait()
            if self._switch.stdout is not None:
                self._switch.stdout.close()
        self._lock.close()
        _lock_path(self.number).unlink(missing_ok=True)
        self._lock = None

    def small_disk(self, name: str, size_bytes: int) -> Path:
        """A folder that is a disk of this size, kept until the rack is closed."""
        folder = self.folder / name
        folder.mkdir()
        _do("mount", "-t", "tmpfs", "-o", MEMORY_FILES.format(size=size_bytes), f"draas-{name}", str(folder))
        return folder

    # --- power and network ---

    def power_on(self, machine: Machine) -> None:
        """Boot it with its disk as it was, and start its engine."""
        pid = machine.boot(f"10.{NET}.{self.number}.{machine.number + 1}")
        for line, name, second in (("p", "eth0", NET), ("c", "eth1", CONSOLE)):
            self._wire(machine.number, pid, line, name, second)
        _inside(pid, "ip", "route", "add", "unreachable", "default")  # no way out, and said at once
        machine.start_engine()

    def _wire(self, number: int, pid: int, line: str, name: str, second: int) -> None:
        assert self._switch is not None
        port = f"{line}{number}"
        # A machine keeps its hardware address over a power cut: its neighbours know it at once when it is back.
        mac = f"02:{second % 100:02d}:00:00:{self.number:02x}:{number:02x}"
        link = ["ip", "link", "add", port, "type", "veth", "peer", "name", name, "address", mac, "netns", str(pid)]
        _inside(self._switch.pid, *link)
        _inside(self._switch.pid, "ip", "link", "set", port, "master", "net" if line == "p" else "console", "up")
        _inside(pid, "ip", "addr", "add", f"10.{second}.{self.number}.{number + 1}/24", "dev", name)
        _inside(pid, "ip", "link", "set", name, "up")

    def cut_power(self, machine: Machine) -> None:
        """Silence first, so that no goodbye of a dying program gets out; then everything on it is gone."""
        self.partition(machine)
        machine.cut_power()
        for port in (f"p{machine.number}", f"c{machine.number}"):
            with suppress(RuntimeError):  # the kernel has removed it with its other end
                self._on_switch("ip", "link", "del", port)

    def partition(self, *machines: Machine) -> None:
        """A silent black hole, both ways. The consoles stay."""
        for machine in machines:
            self._on_switch("ip", "link", "set", f"p{machine.number}", "nomaster")

    def heal(self, *machines: Machine) -> None:
        """Their cables are in again."""
        for machine in machines:
            self._on_switch("ip", "link", "set", f"p{machine.number}", "master", "net")

    def _on_switch(self, *words: str) -> None:
        assert self._switch is not None
        _inside(self._switch.pid, *words)

    def _start_switch(self) -> None:
        group = _group(self.number)
        group.make()
        hold = f"{group.enter_script()}; exec unshare -n sh -c 'ip link set lo up; echo; exec sleep infinity'"
        with (self.folder / "switch.log").open("wb") as log:  # nothing of ours stays open in what may outlive a kill
            self._switch = subprocess.Popen(
                ["sh", "-c", hold], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, start_new_session=True
            )
        assert self._switch.stdout is not None
        self._switch.stdout.readline()
        for bridge, ours, address in zip(("net", "console"), _host_links(self.number), self._own(), strict=True):
            self._on_switch("ip", "link", "add", bridge, "type", "bridge")
            self._on_switch("ip", "link", "set", bridge, "up")
            _do("ip", "link", "add", ours, "type", "veth", "peer", "name", f"h{bridge}", "netns", str(self._switch.pid))
            self._on_switch("ip", "link", "set", f"h{bridge}", "master", bridge, "up")
            _do("ip", "addr", "add", f"{address}/24", "dev", ours)
            _do("ip", "link", "set", ours, "up")

    def _own(self) -> tuple[str, str]:
        return self.address, self.console


@contextmanager
def powered(rack: Rack) -> Iterator[None]:
    """All machines on, healed, going and with room when the block is left, whatever was done to them in it."""
    try:
        yield
    finally:
        for machine in rack.machines:
            if machine.is_on:
                machine.resume()
                rack.heal(machine)
            else:
                rack.power_on(machine)
            machine.free_disk()


def _folder(number: int) -> Path:
    return STATE / str(number)


def _lock_path(number: int) -> Path:
    return STATE / f"{number}.lock"


def _group(number: int) -> ControlGroup:
    return ControlGroup(f"/draas-rack-{number}")


def _host_links(number: int) -> tuple[str, str]:
    return f"draas{number}n", f"draas{number}c"


def _claim() -> tuple[BinaryIO, int]:
    """The lock of a rack number that nobody has, whose leftovers are gone. Raises RuntimeError where there is none."""
    STATE.mkdir(mode=0o700, parents=True, exist_ok=True)
    for left in sorted(STATE.glob("*.lock")):  # all that the killed have left, not only under the number that is taken
        if left.stem.isdigit() and (lock := _try_lock(int(left.stem))) is not None:
            _sweep(int(left.stem))
            left.unlink(missing_ok=True)
            lock.close()
    for number in RACKS:
        if (lock := _try_lock(number)) is not None:
            _sweep(number)
            return lock, number
    raise RuntimeError(f"all {len(RACKS)} racks of this host are in use: see {STATE}")


def _try_lock(number: int) -> BinaryIO | None:
    path = _lock_path(number)
    lock = path.open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(lock.fileno()), path.stat()):
            return lock
    except OSError:  # somebody has it, or has just removed it
        pass
    lock.close()
    return None


def _sweep(number: int) -> None:
    """Remove whatever there is of this rack: processes, links, mounts, control groups, files."""
    group = _group(number)
    group.kill()
    group.remove()
    for link in _host_links(number):
        with suppress(RuntimeError):  # gone with the switch
            _do("ip", "link", "del", link)
    folder = _folder(number)
    for mount in reversed(Path("/proc/self/mounts").read_text().splitlines()):
        if (where := mount.split()[1]).startswith(f"{folder}/"):
            _do("umount", "--lazy", where)
    shutil.rmtree(folder, ignore_errors=True)


def _inside(pid: int, *words: str) -> None:
    _do("nsenter", "-t", str(pid), "-n", "--", *words)


def _do(*words: str) -> None:
    """Raises RuntimeError with what the program said."""
    done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip() or f'exit code {done.returncode}'}")
