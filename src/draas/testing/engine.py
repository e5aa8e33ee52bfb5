"""PrivateEngine: a real Docker Engine of a test's own, in network and mount namespaces of its own, gone without a trace after.

Needs root and Debian's docker.io, iproute2 and (for a bridge) iptables; images come from draas.agent.runtimes.docker.sample_image.
"""

import asyncio
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from draas.agent.runtimes.docker.usage import ROOT, folders

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 15.0
_CLONE_NEWNET = 0x40000000


class PrivateEngine:
    """`start`, `kill` (as by SIGKILL, containers left behind) and `start` again on the same data; `close` ends everything.

    Synchronous on purpose, so that a fixture can live longer than one event loop.
    """

    def __init__(self, folder: Path, *, bridge: bool = True, live_restore: bool = False, group: str = "") -> None:
        self._data = folder / "engine"
        self._run = Path(tempfile.mkdtemp(prefix="draas-engine-"))  # short: a socket's path has 108 bytes at most
        self._group = group or f"/{self._run.name}"
        self._arguments = [] if bridge else ["--bridge=none", "--iptables=false"]
        self._arguments += ["--live-restore"] if live_restore else []
        self._daemon: subprocess.Popen[bytes] | None = None
        self._holder: subprocess.Popen[bytes] | None = None
        self.socket_path = self._run / "docker.sock"

    @property
    def url(self) -> str:
        return f"unix://{self.socket_path}"

    def start(self) -> None:
        """Start the engine and wait until it answers. Raises RuntimeError with the end of its log where it does not."""
        if self._holder is None:
            hold = ["unshare", "--net", "--mount", "sh", "-c", "ip link set lo up; echo; exec sleep infinity"]
            self._holder = subprocess.Popen(hold, stdout=subprocess.PIPE, start_new_session=True)
            assert self._holder.stdout is not None
            self._holder.stdout.readline()
        (self._run / "pid").unlink(missing_ok=True)
        with (self._run / "log").open("ab") as log:
            self._daemon = subprocess.Popen(self._command(), stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + START_TIMEOUT_S
        while not answers(self.socket_path):
            if self._daemon.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"dockerd did not start: {end_of(self._run / 'log')}")
            time.sleep(0.05)

    def _command(self) -> list[str]:
        assert self._holder is not None
        return [
            *("nsenter", "-t", str(self._holder.pid), "--net", "--mount", "--", "dockerd"),
            *("-H", self.url, "--data-root", str(self._data), "--exec-root", str(self._run / "exec")),
            *("--pidfile", str(self._run / "pid"), "--cgroup-parent", self._group, "--log-level", "warn"),
            *self._arguments,
        ]

    def kill(self) -> None:
        """SIGKILL the engine, as a crash would; what its containers do next is up to live_restore."""
        if self._daemon is not None:
            self._daemon.kill()
            self._daemon.wait()
            self._daemon = None
            self._kill_containerd()

    def _kill_containerd(self) -> None:
        """dockerd's own containerd is part of the engine; left behind, it would not serve the next dockerd."""
        noted = self._run / "exec" / "containerd" / "containerd.pid"
        address = str(self._run / "exec" / "containerd").encode()
        try:
            pid = int(noted.read_text())
            if address in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGKILL)
        except (OSError, ValueError):  # it has ended with dockerd
            pass
        noted.unlink(missing_ok=True)

    def listen(self) -> socket.socket:
        """A listening TCP socket on the engine's own loopback address, where a test's registry can answer it."""
        assert self._holder is not None
        made: list[socket.socket] = []
        thread = threading.Thread(target=lambda: made.append(_listen_in(f"/proc/{holder_pid}/ns/net")))
        holder_pid = self._holder.pid
        thread.start()
        thread.join()
        return made[0]

    def program_inside(self, *words: str) -> list[str]:
        """`words` as a command that runs in the engine's network, where a registry of a test is reached by its loopback address."""
        assert self._holder is not None
        return ["nsenter", "-t", str(self._holder.pid), "--net", "--", *words]

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Within the block this thread opens its sockets in the engine's network: where an agent beside it would, and reach its containers."""
        assert self._holder is not None
        with open("/proc/thread-self/ns/net") as outside:
            _enter(f"/proc/{self._holder.pid}/ns/net")
            try:
                yield
            finally:
                _enter(f"/proc/thread-self/fd/{outside.fileno()}")

    def close(self) -> None:
        """Stop the engine, kill what is left of it and of its containers, remove its files."""
        if self._daemon is not None:
            self._daemon.terminate()
            try:
                self._daemon.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.kill()
        for pid in self._remains():
            os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while self._remains() and time.monotonic() < deadline:
            time.sleep(0.05)
        if self._holder is not None:
            self._holder.kill()
            self._holder.wait()
            if self._holder.stdout is not None:
                self._holder.stdout.close()
        for folder in folders(self._group, ROOT):
            for path, _, _ in os.walk(folder, topdown=False):
                os.rmdir(path)
        shutil.rmtree(self._data, ignore_errors=True)
        shutil.rmtree(self._run, ignore_errors=True)

    def _remains(self) -> set[int]:
        """Processes in the engine's control groups, and its containers' shims, which are known by the address they serve."""
        pids: set[int] = set()
        for folder in folders(self._group, ROOT):
            for path in folder.rglob("cgroup.procs"):
                pids.update(map(int, path.read_text().split()))
        ours = str(self._run / "exec").encode()
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if ours in (process / "cmdline").read_bytes():
                    pids.add(int(process.name))
            except OSError:  # ended meanwhile
                continue
        return pids


def answers(engine_socket: Path) -> bool:
    """Whether the engine behind this socket answers."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(5)
        try:
            probe.connect(str(engine_socket))
            probe.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return b" 200 " in probe.recv(64)
        except OSError:
            return False


def end_of(log: Path) -> str:
    """The last lines of a log, for the message of a failure."""
    return log.read_text(errors="replace")[-2000:]


def _listen_in(namespace: str) -> socket.socket:
    """Run in a thread of its own, which then stays in `namespace` and ends; the socket belongs to it for ever."""
    _enter(namespace)
    return socket.create_server(("127.0.0.1", 0))


def _enter(namespace: str) -> None:
    """Move this thread to a network namespace. Raises OSError without the rights."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open(namespace) as file:
        if libc.setns(file.fileno(), _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")


@asynccontextmanager
async def engine(folder: Path, *, bridge: bool = True, live_restore: bool = False) -> AsyncIterator[Path]:
    """A private engine for the length of the block: the path of its socket."""
    private = PrivateEngine(folder, bridge=bridge, live_restore=live_restore)
    try:
        await asyncio.to_thread(private.start)
        yield private.socket_path
    finally:
        await asyncio.to_thread(private.close)
