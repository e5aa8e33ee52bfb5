"""The supervisor's jobs: starting, following, killing and forgetting them. Knows no sockets."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Protocol

from draas.agent.runtimes.process import members
from draas.agent.runtimes.process.cgroup_files import Limits
from draas.agent.runtimes.process.cgroup_slots import CgroupPool, Slot
from draas.agent.runtimes.process.job import Job
from draas.agent.runtimes.process.journal import Began, Entry, Finished, Gone, Journal
from draas.agent.runtimes.process.protocol import Ended, Start
from draas.agent.runtimes.process.reactor import Reactor
from draas.agent.runtimes.process.spawn import CannotExecute, spawn
from draas.agent.runtimes.process.spool import SpoolWriter
from draas.lib import clock
from draas.wire.records import Stream

SETTLE_FIRST_S = 0.001  # a killed process is gone within a millisecond, mostly
SETTLE_MAX_S = 0.05
GIVE_UP_S = 5.0  # output held open by a process that is none of the job's any more
RETRY_REMOVAL_S = 0.1


class Announce(Protocol):
    def __call__(self, id: str, ended: Ended) -> None: ...


class Jobs:
    """All jobs of one data folder."""

    def __init__(
        self, root: str, reactor: Reactor, journal: Journal, pool: CgroupPool | None, announce: Announce
    ) -> None:
        self._root = root
        self._reactor = reactor
        self._journal = journal
        self._pool = pool
        self._announce = announce
        self._by_pid: dict[int, Job] = {}
        self._errands: dict[int, Callable[[], None]] = {}
        self.held: dict[str, Job] = {}

    def workdir(self, id: str) -> str:
        return f"{self._root}/work/{id}"

    def spool_path(self, id: str) -> str:
        return f"{self._root}/spool/{id}"

    # --- start ---

    def start(self, order: Start) -> tuple[float, str]:
        """When it was started, or why it was not. What is held already is left as it is."""
        if (known := self.held.get(order.id)) is not None:
            return known.started_at, ""
        job = Job(
            id=order.id,
            started_at=clock.now(),
            exclusive=order.until is not None,
            spool=SpoolWriter(self.spool_path(order.id), order.log_cap_bytes),
            spare_main=order.spare_main,
        )
        try:
            os.mkdir(self.workdir(job.id), 0o700)
            self._journal.write(Began(id=job.id, started_at=job.started_at, exclusive=job.exclusive))
            self.held[job.id] = job
            self._spawn(job, order)
        except CannotExecute as error:
            self._fail_start(job, error)
        except (OSError, ValueError) as error:
            self._forget(job)
            return 0.0, f"the host process could not be started: {error}"
        if order.until is not None:
            self.renew({job.id: order.until})
        return job.started_at, ""

    def _spawn(self, job: Job, order: Start) -> None:
        limits = Limits(memory_bytes=order.memory_bytes, cpu_millis=order.cpu_millis, pids_max=order.pids_max)
        job.slot = self._pool.lend(limits) if self._pool is not None else None
        try:
            os.chdir(self.workdir(job.id))
            with self._inside(job.slot):
                spawned = spawn(list(order.argv), order.env)
        except (OSError, ValueError, CannotExecute):
            self._release(job)
            raise
        finally:
            os.chdir(self._root)
        job.pid = spawned.pid
        self._by_pid[spawned.pid] = job
        job.pipes = {spawned.stdout: Stream.STDOUT, spawned.stderr: Stream.STDERR}
        for fd in job.pipes:
            self._reactor.watch(fd, partial(self._on_ready, job, fd))
        try:
            if job.slot is not None:
                job.slot.set_quota(order.cpu_millis)
        except OSError as error:
            job.cause, job.detail = "runtime", f"its CPU limit could not be set: {error.strerror}"
            self.kill(job)

    @contextmanager
    def _inside(self, slot: Slot | None) -> Iterator[None]:
        if slot is None or self._pool is None:
            yield
            return
        try:
            slot.enter()
            yield
        finally:
            self._pool.leave()

    def _fail_start(self, job: Job, error: CannotExecute) -> None:
        if job.spool is not None:
            job.spool.append(Stream.STDERR, f"draas: {error.detail}\n".encode())
        job.status = error.exit_code << 8
        job.finished_at = clock.now()
        self._finish(job)

    # --- output ---

    def _on_ready(self, job: Job, fd: int, _: int) -> None:
        self._on_output(job, fd)

    def _on_output(self, job: Job, fd: int) -> None:
        try:
            going_on = job.read_pipe(fd)
        except OSError as error:
            job.cause = "disk"
            job.detail = f"the job's output could not be kept ({error.strerror}): free space below {self._root}"
            self.kill(job)
            return
        if not going_on:
            self._close_pipe(job, fd)
        job.tell_waiters()

    def _close_pipe(self, job: Job, fd: int) -> None:
        self._reactor.unwatch(fd)
        os.close(fd)
        del job.pipes[fd]

    # --- end ---

    def on_children(self) -> None:
        """Reap what has ended. Groups are killed before their leader is reaped: until then its number is not given anew."""
        while (info := self._next_dead()) is not None:
            job = self._by_pid.pop(info, None)
            if job is not None and job.slot is None:
                _signal_group(info, signal.SIGKILL)
            _, status, usage = os.wait4(info, 0)
            if job is not None:
                job.pid, job.status, job.finished_at = None, status, clock.now()
                job.cpu_s = usage.ru_utime + usage.ru_stime
                job.max_rss_bytes = usage.ru_maxrss * 1024
                self._settle(job, SETTLE_FIRST_S, clock.monotonic() + GIVE_UP_S)
            elif (errand := self._errands.pop(info, None)) is not None:
                errand()

    def _next_dead(self) -> int | None:
        try:
            info = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return None
        return info.si_pid if info is not None else None

    def _settle(self, job: Job, delay_s: float, give_up_at: float) -> None:
        """Finish the job once all it started is gone and its output is read to the end; until then kill and look again."""
        empty = self._kill_rest(job)
        for fd in list(job.pipes):
            self._on_output(job, fd)
        if empty and clock.monotonic() >= give_up_at:
            for fd in list(job.pipes):
                self._close_pipe(job, fd)
        if empty and not job.pipes:
            self._finish(job)
        else:
            self._reactor.after(delay_s, lambda: self._settle(job, min(SETTLE_MAX_S, delay_s * 2), give_up_at))

    def _kill_rest(self, job: Job) -> bool:
        """KILL what is left after the main process; True where nothing was."""
        if job.slot is not None:
            if job.slot.empty:
                return True
            job.slot.kill()
            return False
        rest = self._strays(job)
        for pid in rest:
            _signal_process(pid, signal.SIGKILL)
        return not rest

    def _strays(self, job: Job) -> list[int]:
        """Processes that came to us (a subreaper) because their parents ended, with all below them."""
        orphans = [pid for pid in members.children(os.getpid()) if pid not in self._by_pid and pid not in self._errands]
        ours = [pid for pid in orphans if self._is_stray_of(job, pid)]
        return [pid for orphan in ours for pid in (orphan, *members.descendants(orphan))]

    def _is_stray_of(self, job: Job, pid: int) -> bool:
        marked = members.marked(pid)
        return marked == job.id or (marked is None and members.session(pid) not in self._by_pid)

    def _finish(self, job: Job) -> None:
        usage = job.slot.usage() if job.slot is not None else None
        status = job.status or 0
        job.ended = Ended(
            exit_code=128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status),
            started_at=job.started_at,
            finished_at=job.finished_at,
            oom=usage is not None and usage.oom,
            peak_memory_bytes=(usage.peak_memory_bytes if usage else None) or job.max_rss_bytes or None,
            cpu_s=usage.cpu_s if usage is not None and usage.cpu_s is not None else job.cpu_s,
            spool_bytes=job.spool_bytes,
            cause=job.cause,
            detail=job.detail,
        )
        if job.spool is not None:
            job.spool.close()
            job.spool = None
        self._release(job)
        self._note(Finished(id=job.id, ended=job.ended))
        job.tell_waiters()
        self._announce(job.id, job.ended)
        endings, job.on_end = job.on_end, []
        for call in endings:
            call()

    def _release(self, job: Job) -> None:
        if job.slot is not None and self._pool is not None:
            self._pool.give_back(job.slot)
        job.slot = None

    # --- kill ---

    def stop(self, id: str, grace_s: float) -> None:
        """TERM now and KILL later; nothing for what has ended or is unknown."""
        job = self.held.get(id)
        if job is None or job.pid is None:
            return
        for pid in self._members(job):
            _signal_process(pid, signal.SIGTERM)
        self._reactor.after(grace_s, lambda: self.kill(job))

    def _members(self, job: Job) -> list[int]:
        if job.pid is None:
            return []
        found = job.slot.pids() if job.slot is not None else [job.pid, *members.descendants(job.pid)]
        return [pid for pid in found if not (job.spare_main and pid == job.pid)]

    def kill(self, job: Job) -> None:
        """KILL everything the job started; its end follows through `on_children`."""
        if job.pid is None:
            return
        if job.slot is not None:
            job.slot.kill()
        for pid in self._members(job) if job.slot is None else ():
            _signal_process(pid, signal.SIGKILL)
        _signal_group(job.pid, signal.SIGKILL)

    def renew(self, until: dict[str, float]) -> None:
        """New ends of leases (monotonic seconds)."""
        for id, at in until.items():
            job = self.held.get(id)
            if job is not None and job.ended is None:
                job.until = at
                self._reactor.after(max(0.0, at - clock.monotonic()), partial(self._check_lease, job))

    def _check_lease(self, job: Job) -> None:
        if job.pid is not None and job.until is not None and clock.monotonic() >= job.until:
            job.cause, job.detail = (
                "lease",
                "the exclusive job's lease ran out: the controller could not be reached in time",
            )
            self.kill(job)

    # --- forget ---

    def remove(self, id: str, done: Callable[[], None]) -> None:
        """Kill it if it runs, delete every trace, then call `done`."""
        job = self.held.get(id)
        if job is None:
            done()
        elif job.ended is None:
            job.on_end.append(lambda: self.remove(id, done))
            self.kill(job)
        else:
            self._forget(job)
            self._delete(self.workdir(id), done)

    def _forget(self, job: Job) -> None:
        if self.held.pop(job.id, None) is None:
            return
        if job.spool is not None:
            job.spool.close()
        _unlink(self.spool_path(job.id))
        self._note(Gone(id=job.id))
        if self._journal.bloated:
            self._journal.rewrite([one.held() for one in self.held.values()])

    def _delete(self, folder: str, done: Callable[[], None]) -> None:
        """An empty folder here; a full one by a process of its own, which may take its time."""
        try:
            os.rmdir(folder)
        except FileNotFoundError:
            done()
        except OSError:
            script = 'rm -rf -- "$1" 2>/dev/null || { chmod -R u+rwX -- "$1"; rm -rf -- "$1"; }'
            pid = os.posix_spawn("/bin/sh", ["sh", "-c", script, "sh", folder], {"PATH": os.defpath})
            self.expect_child(pid, done)
        else:
            done()

    def expect_child(self, pid: int, done: Callable[[], None]) -> None:
        """`pid` is a child of ours that is no job: call `done` when it has ended."""
        self._errands[pid] = done

    def delete_strangers(self) -> None:
        """Delete folders and spools that the journal does not know: a crash left them."""
        for entry in os.scandir(f"{self._root}/work"):
            if entry.name not in self.held:
                self._delete(entry.path, lambda: None)
        for entry in os.scandir(f"{self._root}/spool"):
            if entry.name not in self.held:
                _unlink(entry.path)

    def _note(self, entry: Entry) -> None:
        try:
            self._journal.write(entry)
        except OSError as error:  # what is in memory is right; only a successor would not know
            sys.stderr.write(f"journal not written: {error.strerror}\n")


def _signal_group(leader: int, number: int) -> None:
    try:
        os.killpg(leader, number)
    except (ProcessLookupError, PermissionError):
        return


def _signal_process(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
