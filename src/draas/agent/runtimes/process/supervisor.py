"""The supervisor: holds an agent's host jobs and outlives it. `python -m draas.agent.runtimes.process.supervisor DATA_FOLDER`.

It detaches, takes the folder's lock, and answers on a unix socket there. It leaves when it holds nothing and nobody is connected.
"""

import ctypes
import fcntl
import hashlib
import os
import signal
import socket
import sys
from typing import assert_never

from draas.agent.runtimes.process import members
from draas.agent.runtimes.process.cgroup_slots import CgroupPool, NoCgroups, open_pool
from draas.agent.runtimes.process.engine_kill import kill_container
from draas.agent.runtimes.process.job import Job
from draas.agent.runtimes.process.jobs import Jobs
from draas.agent.runtimes.process.journal import Journal
from draas.agent.runtimes.process.peer import Peer
from draas.agent.runtimes.process.protocol import (
    LOCK,
    SOCKET,
    VERSION,
    AwaitOutput,
    ContainerLease,
    Done,
    Ended,
    Exit,
    Greeting,
    Held,
    Output,
    Quit,
    Remove,
    Renew,
    Start,
    Started,
    Stop,
    ToSupervisor,
    WatchContainers,
)
from draas.agent.runtimes.process.reactor import Reactor
from draas.agent.runtimes.process.spool import whole_records_bytes
from draas.lib import clock

PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
LINGER_S = 10.0  # an agent that restarts finds its supervisor
RETRY_KILL_S = 1.0
LOST = "the supervisor of host jobs was lost, and its jobs with it: see supervisor.log in the agent's data folder"


class Supervisor:
    """Answers agents and looks after leases; the jobs themselves are in Jobs."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._peers: list[Peer] = []
        self._containers: dict[str, ContainerLease] = {}
        self._reactor = Reactor(self._on_children, self._flush)
        self._journal = Journal(f"{root}/journal")
        self._pool, self._missing = _open_pool(root)
        self._jobs = Jobs(root, self._reactor, self._journal, self._pool, self._announce)

    def serve(self, listener: socket.socket) -> None:
        """Take over what a predecessor left, then answer until there is nothing left to do."""
        self._recover()
        self._listener = listener
        self._reactor.watch(listener.fileno(), self._accept)
        self._reactor.after(LINGER_S, self._leave_if_idle)
        self._reactor.run()
        self._flush()
        if self._pool is not None:
            self._pool.close()

    def _on_children(self) -> None:
        self._jobs.on_children()

    def _recover(self) -> None:
        held = self._journal.open()
        orphaned = [one for one in held.values() if one.ended is None]
        if orphaned:
            _kill_marked({one.id for one in orphaned})
        for one in held.values():
            ended = one.ended or self._lost(one)
            job = Job(id=one.id, started_at=one.started_at, exclusive=one.exclusive, spool=None, ended=ended)
            self._jobs.held[one.id] = job
        self._journal.rewrite([job.held() for job in self._jobs.held.values()])
        self._jobs.delete_strangers()

    def _lost(self, one: Held) -> Ended:
        path = self._jobs.spool_path(one.id)
        size = whole_records_bytes(path)
        if os.path.exists(path):
            os.truncate(path, size)
        return Ended(
            exit_code=137,
            started_at=one.started_at,
            finished_at=clock.now(),
            spool_bytes=size,
            cause="runtime",
            detail=LOST,
        )

    # --- agents ---

    def _accept(self, _: int) -> None:
        connection, _address = self._listener.accept()
        peer = Peer(connection, self._reactor, self._on_message, self._on_gone)
        self._peers.append(peer)
        version = self._pool.version if self._pool is not None else ""
        held = [job.held() for job in self._jobs.held.values()]
        peer.send(Greeting(version=VERSION, pid=os.getpid(), cgroup=version, missing=self._missing, held=held))

    def _on_gone(self, peer: Peer) -> None:
        self._peers.remove(peer)
        self._reactor.after(LINGER_S, self._leave_if_idle)

    def _flush(self) -> None:
        for peer in list(self._peers):
            peer.flush()

    def _announce(self, id: str, ended: Ended) -> None:
        for peer in self._peers:
            peer.send(Exit(id=id, ended=ended))

    def _leave_if_idle(self) -> None:
        if not self._peers:
            self._leave_if_empty()

    def _leave_if_empty(self) -> None:
        if not self._jobs.held and not self._containers:
            self._reactor.stop()

    def _on_message(self, peer: Peer, message: ToSupervisor) -> None:
        match message:
            case Start():
                started_at, error = self._jobs.start(message)
                peer.send(Started(seq=message.seq, started_at=started_at, error=error))
            case Stop():
                self._jobs.stop(message.id, message.grace_s)
                peer.send(Done(seq=message.seq))
            case Remove():
                self._jobs.remove(message.id, lambda: peer.send(Done(seq=message.seq)))
            case AwaitOutput():
                self._await_output(peer, message)
            case Renew():
                self._jobs.renew(message.until)
                peer.send(Done(seq=message.seq))
            case WatchContainers():
                self._containers = dict(message.leases)
                for id, lease in self._containers.items():
                    self._check_container_at(lease.until, id)
                peer.send(Done(seq=message.seq))
            case Quit():
                self._leave_if_empty()
            case _:
                assert_never(message)

    def _await_output(self, peer: Peer, asked: AwaitOutput) -> None:
        job = self._jobs.held.get(asked.id)
        if job is None:
            peer.send(Output(seq=asked.seq, spool_bytes=0, ended=True))
        elif job.ended is not None or job.spool_bytes > asked.position:
            peer.send(Output(seq=asked.seq, spool_bytes=job.spool_bytes, ended=job.ended is not None))
        else:
            job.waiters.append(lambda: self._await_output(peer, asked))

    # --- containers whose agent may be dead ---

    def _check_container_at(self, until: float, id: str) -> None:
        self._reactor.after(max(0.0, until - clock.monotonic()), lambda: self._check_container(id))

    def _check_container(self, id: str) -> None:
        lease = self._containers.get(id)
        if lease is None or clock.monotonic() < lease.until:
            return
        pid = os.fork()  # the engine may hang: that must not hold up the jobs
        if pid == 0:
            os._exit(0 if kill_container(lease.socket, lease.container) else 1)
        self._jobs.expect_child(pid, lambda: None)
        # Asked again until the agent, or its successor, takes it off the list: killing a dead container does no harm.
        self._check_container_at(clock.monotonic() + RETRY_KILL_S, id)


def _open_pool(root: str) -> tuple[CgroupPool | None, str]:
    name = f"draas-{hashlib.sha256(os.fsencode(root)).hexdigest()[:12]}"
    try:
        return open_pool(name), ""
    except NoCgroups as error:
        return None, str(error)


def _kill_marked(ids: set[str]) -> None:
    """Kill all processes of these allocations: two copies of a job must never run. Twice, for what was being forked."""
    for _ in range(2):
        for pid in [pid for pid in members.all_pids() if members.marked(pid) in ids]:
            for one in (pid, *members.descendants(pid)):
                try:
                    os.kill(one, signal.SIGKILL)
                except ProcessLookupError:
                    continue


def _become_subreaper() -> None:
    """Orphans of the jobs come to us and not to init, so that none escapes."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _listen(root: str) -> socket.socket:
    os.chdir(root)  # a socket's path may have 107 bytes only: a relative one always fits
    listener = socket.socket(socket.AF_UNIX)
    if os.path.lexists(SOCKET):
        os.unlink(SOCKET)
    os.umask(0o077)
    listener.bind(SOCKET)
    listener.listen(16)
    listener.setblocking(False)
    return listener


def main(root: str) -> int:
    """Exit code 0 means: a supervisor serves this folder now (this one, detached, or one that did already)."""
    root = os.path.realpath(root)
    for folder in (root, f"{root}/work", f"{root}/spool"):
        os.makedirs(folder, 0o700, exist_ok=True)
    lock = os.open(f"{root}/{LOCK}", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return 0
    listener = _listen(root)
    if os.fork():
        return 0  # the socket is there: who connects now is answered soon
    os.setsid()
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # jobs end by order of the agent, not with a terminal
    _become_subreaper()
    Supervisor(root).serve(listener)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
