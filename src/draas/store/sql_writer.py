"""SqlWriter: turns a Write into rows and commits them in one transaction. Lives in one thread."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Executable, Table, bindparam, column, delete, select, update, values
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.sql.compiler import SQLCompiler

from draas.model.app import App
from draas.model.job import Job, JobId
from draas.model.node import Node
from draas.model.plan import Plan
from draas.store.chunks import chunks
from draas.store.sql_failures import explain
from draas.store.sql_migrate import migrate
from draas.store.sql_samples import delete_series, forget_old
from draas.store.sql_schema import (
    JOB_COLUMNS,
    answers,
    apps,
    certificates,
    controller,
    events,
    job_labels,
    job_nodes,
    job_specs,
    jobs,
    keys,
    nodes,
    registries,
    samples,
    tokens,
)
from draas.store.sqlite import EXPECTED, connect_writer, transaction
from draas.store.store import ANSWERS_KEPT_S, Key, Snapshot, StoredSample, StoreFailure, Token, Write
from draas.store.stored import (
    decode_app,
    decode_certificate,
    decode_job,
    decode_node,
    decode_registry,
    decode_spec,
    decode_stored_job,
    encode_app,
    encode_certificate,
    encode_detail,
    encode_job,
    encode_node,
    encode_registry,
    encode_spec,
)

PRUNE_EVERY_S = 1.0
PRUNE_AT_ONCE = 1000  # some 3 ms of a commit; more than one controller can answer in a second
IDS_AT_ONCE = 500
ROWS_A_STEP = (128, 16)  # the largest first
Row = tuple[Any, ...]
_DIALECT = sqlite.dialect()


class Batch:
    """A statement compiled once. It goes straight to the driver: Core's executemany costs three times as much for many rows.

    Values come in the order of `names`. `repeated` is the part of the text that stands for one row: of `statement`, or of
    `many` where many rows need another one.
    """

    def __init__(
        self,
        statement: Executable,
        names: Sequence[str],
        repeated: str | None = None,
        many: Executable | None = None,
    ) -> None:
        sql, row = _text(statement if many is None else many, names), repeated
        assert row is None or sql.count(row) == 1, sql
        self._one = sql if many is None else _text(statement, names)
        self._many = [(size, sql.replace(row, ", ".join([row] * size))) for size in ROWS_A_STEP] if row else []

    def run(self, cursor: DBAPICursor, rows: Sequence[Row]) -> int:
        """How many rows it changed.

        Many rows are one step of SQLite where that can be: the driver gives up the interpreter's lock for each step, and
        waits for it after each while the event loop is busy.
        """
        if not rows:
            return 0
        at, before = 0, cursor.connection.total_changes  # rowcount knows nothing of a statement that begins with WITH
        for size, sql in self._many:
            while len(rows) - at >= size:
                cursor.execute(sql, tuple(chain.from_iterable(rows[at : at + size])))
                at += size
        if at < len(rows):
            cursor.executemany(self._one, rows[at:])
        return int(cursor.connection.total_changes - before)


def _text(statement: Executable, names: Sequence[str]) -> str:
    compiled = statement.compile(dialect=_DIALECT)  # type: ignore[attr-defined]
    assert isinstance(compiled, SQLCompiler)
    assert compiled.positiontup == list(names), (compiled.positiontup, names)
    return str(compiled)


def _places(count: int) -> str:
    return f"({', '.join('?' * count)})"


def upsert(table: Table, *key: str) -> Batch:
    """Insert, or replace all but the primary key where a row has the same `key`. The one place of SQLite's own dialect."""
    new = sqlite.insert(table).values({column.name: bindparam(column.name) for column in table.columns})
    replaced = {
        column.name: new.excluded[column.name]
        for column in table.columns
        if not column.primary_key and column.name not in key
    }
    names = table.columns.keys()
    return Batch(new.on_conflict_do_update(index_elements=key, set_=replaced), names, _places(len(names)))


def insert_new(table: Table) -> Batch:
    """Insert, or leave alone what is there."""
    new = sqlite.insert(table).values({column.name: bindparam(column.name) for column in table.columns})
    names = table.columns.keys()
    return Batch(new.on_conflict_do_nothing(), names, _places(len(names)))


def remove(table: Table, *names: str) -> Batch:
    """Delete the rows that have these columns' values."""
    return Batch(delete(table).where(*(table.c[name] == bindparam(name) for name in names)), names)


def _move(*names: str) -> Batch:
    """Give columns of jobs that are there new values."""
    all_names = (*names, "at_seq")
    one = update(jobs).where(jobs.c.seq == bindparam("at_seq")).values({name: bindparam(name) for name in names})
    row: Row = tuple(bindparam(name) for name in all_names)
    given = values(*(column(name) for name in all_names), name="given").data([row]).cte("given")
    many = update(jobs).where(jobs.c.seq == given.c.at_seq).values({name: given.c[name] for name in names})
    return Batch(one, all_names, _places(len(all_names)), many)


PUT_JOBS, PUT_SPECS = upsert(jobs, "id"), insert_new(job_specs)
PUT_LABELS, PUT_JOB_NODES = insert_new(job_labels), insert_new(job_nodes)
MOVE_JOBS = _move("state", "body")  # names no column of ix_jobs_settled, which SQLite would rewrite even if equal
SETTLE_JOBS = _move("state", "settled_at", "body")
PUT_NODES, PUT_APPS = upsert(nodes, "id"), upsert(apps, "id")
PUT_CERTIFICATES, DROP_CERTIFICATES = upsert(certificates, "host"), remove(certificates, "host")
PUT_REGISTRIES, DROP_REGISTRIES = upsert(registries, "project", "host"), remove(registries, "project", "host")
PUT_SAMPLES = upsert(samples, "step_s", "at", "series")
PUT_EVENTS = Batch(events.insert(), events.columns.keys(), _places(len(events.columns)))
PUT_KEYS, PUT_TOKENS, PUT_ANSWERS = upsert(keys, "id"), upsert(tokens, "digest"), upsert(answers, "key")
DROP_JOBS, DROP_SPECS = remove(jobs, "seq"), remove(job_specs, "seq")
DROP_LABELS, DROP_JOB_NODES = remove(job_labels, "name", "value", "seq"), remove(job_nodes, "node", "seq")
DROP_NODES, DROP_APPS = remove(nodes, "id"), remove(apps, "id")
DROP_KEYS, DROP_TOKENS = remove(keys, "id"), remove(tokens, "digest")
COUNT_UP = Batch(
    update(controller)
    .where(controller.c.epoch == bindparam("my_epoch"))
    .values(last_event=bindparam("last_event"), last_seq=bindparam("last_seq")),
    ("last_event", "last_seq", "my_epoch"),
)


@dataclass(frozen=True, slots=True)
class JobRows:
    """The rows of a commit's jobs. `attempts` says of each how many attempts it has, None where it is not live any more."""

    new: list[Row] = field(default_factory=list)
    specs: list[Row] = field(default_factory=list)
    labels: list[Row] = field(default_factory=list)
    nodes: list[Row] = field(default_factory=list)
    moved: list[Row] = field(default_factory=list)
    settled: list[Row] = field(default_factory=list)
    attempts: dict[JobId, int | None] = field(default_factory=dict)


class SqlWriter:
    """The only one that changes the database. `open` first; all in one thread."""

    def __init__(self, path: Path, now: Callable[[], float], events_kept_s: float) -> None:
        self._path = path
        self._now = now
        self._events_kept_s = events_kept_s
        self._opened: Connection | None = None
        self._cursor: DBAPICursor  # of the same connection
        self._live: dict[JobId, int] = {}  # jobs whose row is there and live, and how many attempts job_nodes knows of
        self._epoch = self._last_event = self._last_seq = 0
        self._prune_at = 0.0

    def open(self) -> Snapshot:
        """Migrate, raise the epoch and load. Raises StoreFailure; `close` then."""
        try:
            self._opened = connect_writer(self._path)
        except EXPECTED as error:
            raise explain(error, self._path) from error
        self._cursor = self._opened.connection.cursor()
        with transaction(self._connection, self._path):
            migrate(self._connection)
        with transaction(self._connection, self._path):
            return self._start()

    def close(self) -> None:
        if self._opened is not None:
            self._cursor.close()  # an open one keeps SQLite from closing, and so from folding the log into the file
            self._opened.close()
            self._opened = None

    @property
    def _connection(self) -> Connection:
        assert self._opened is not None
        return self._opened

    def commit(self, write: Write) -> int:
        """One transaction. Returns the number of the last event. Raises StoreFailure; nothing is changed then."""
        plan = write.plan
        gone = set(plan.gone_jobs)
        rows = self._sort(job for job in {job.id: job for job in plan.jobs}.values() if job.id not in gone)
        last_event = self._last_event + len(plan.events)
        last_seq = max(self._last_seq, max((job.seq for job in plan.jobs), default=0))
        now = self._now()
        with transaction(self._connection, self._path):
            self._check_epoch(last_event, last_seq)
            self._put_jobs(rows)
            if gone:
                self._drop_jobs(plan.gone_jobs)
            self._put_plan(plan)
            self._put_access(write)
            if now >= self._prune_at:
                self._prune(now)
        self._prune_at = now + PRUNE_EVERY_S if now >= self._prune_at else self._prune_at
        self._last_event, self._last_seq = last_event, last_seq
        self._remember(rows, plan.gone_jobs)
        return last_event

    def keep_samples(self, given: Sequence[StoredSample], kept_from: Mapping[int, float]) -> None:
        """See Store.keep_samples."""
        with transaction(self._connection, self._path):
            self._check_leading()
            PUT_SAMPLES.run(self._cursor, given)
            forget_old(self._connection, kept_from)

    def forget_samples(self, series: str, since: Mapping[int, float]) -> None:
        """See Store.forget_samples."""
        with transaction(self._connection, self._path):
            self._check_leading()
            for step_s, first in since.items():
                self._connection.execute(delete_series(series, step_s, first, self._now()))

    # --- opening ---

    def _start(self) -> Snapshot:
        run = self._connection.execute
        run(update(controller).values(epoch=controller.c.epoch + 1))
        counts = run(select(controller)).one()
        self._epoch, self._last_event, self._last_seq = counts.epoch, counts.last_event, counts.last_seq
        self._prune(self._now())
        live = [
            decode_job(*row)
            for row in run(
                select(*JOB_COLUMNS)
                .join_from(jobs, job_specs, jobs.c.seq == job_specs.c.seq)
                .where(jobs.c.settled_at.is_(None))
                .order_by(jobs.c.seq)
            )
        ]
        self._live = {job.id: len(job.attempts) for job in live}
        return Snapshot(
            jobs=live,
            nodes=[decode_node(body) for (body,) in run(select(nodes.c.body).order_by(nodes.c.id))],
            apps=[decode_app(body) for (body,) in run(select(apps.c.body).order_by(apps.c.id))],
            keys=[Key(**row) for row in run(select(keys).order_by(keys.c.created_at, keys.c.id)).mappings()],
            tokens=[Token(**row) for row in run(select(tokens).order_by(tokens.c.digest)).mappings()],
            certificates=[
                decode_certificate(body) for (body,) in run(select(certificates.c.body).order_by(certificates.c.host))
            ],
            registries=[
                decode_registry(body)
                for (body,) in run(select(registries.c.body).order_by(registries.c.project, registries.c.host))
            ],
            next_seq=self._last_seq + 1,
            epoch=self._epoch,
            last_event=self._last_event,
        )

    # --- a commit ---

    def _check_epoch(self, last_event: int, last_seq: int) -> None:
        if COUNT_UP.run(self._cursor, [(last_event, last_seq, self._epoch)]) != 1:
            self._check_leading()

    def _check_leading(self) -> None:
        newer = self._connection.execute(select(controller.c.epoch)).scalar()
        if newer != self._epoch:
            raise StoreFailure(
                f"another controller has taken over {self._path.parent} (epoch {newer}, this one has {self._epoch}): "
                "stop this one"
            )

    def _sort(self, latest: Iterable[Job]) -> JobRows:
        rows = JobRows()
        for job in latest:
            known = self._live.get(job.id)
            state, settled_at, body = job.state.value, settled_at_of(job), encode_job(job)
            if known is None:
                rows.new.append(
                    (job.seq, job.id, job.project, job.spec.name, state, settled_at, body, job.spec.kind.value)
                )
                rows.specs.append((job.seq, encode_spec(job.spec)))
                rows.labels.extend((name, value, job.seq) for name, value in job.spec.labels.items())
            elif settled_at is None:
                rows.moved.append((state, body, job.seq))
            else:
                rows.settled.append((state, settled_at, body, job.seq))
            for attempt in job.attempts[known or 0 :]:
                rows.nodes.append((attempt.node_id, job.seq))
                rows.nodes.append((attempt.node_name, job.seq))
            rows.attempts[job.id] = len(job.attempts) if settled_at is None else None
        return rows

    def _put_jobs(self, rows: JobRows) -> None:
        PUT_JOBS.run(self._cursor, rows.new)
        PUT_SPECS.run(self._cursor, rows.specs)
        PUT_LABELS.run(self._cursor, rows.labels)
        known = len(rows.moved) + len(rows.settled)
        changed = MOVE_JOBS.run(self._cursor, rows.moved) + SETTLE_JOBS.run(self._cursor, rows.settled)
        if changed != known:
            raise StoreFailure(
                f"the database lacks {known - changed} of {known} jobs that were written before: "
                "something else has changed it; restore a backup"
            )
        PUT_JOB_NODES.run(self._cursor, rows.nodes)

    def _drop_jobs(self, gone: Sequence[JobId]) -> None:
        """Read what the job has in the side tables, so that they need no second index by job."""
        columns = (jobs.c.seq, jobs.c.body, job_specs.c.body)
        for ids in chunks(gone, IDS_AT_ONCE):
            found = self._connection.execute(
                select(*columns).join_from(jobs, job_specs, jobs.c.seq == job_specs.c.seq).where(jobs.c.id.in_(ids))
            ).all()
            labels: list[Row] = []
            places: set[Row] = set()
            for seq, body, spec in found:
                labels.extend((name, value, seq) for name, value in decode_spec(spec).labels.items())
                for attempt in decode_stored_job(body).attempts:
                    places |= {(attempt.node_id, seq), (attempt.node_name, seq)}
            seqs = [(row.seq,) for row in found]
            DROP_LABELS.run(self._cursor, labels)
            DROP_JOB_NODES.run(self._cursor, sorted(places))
            DROP_SPECS.run(self._cursor, seqs)
            DROP_JOBS.run(self._cursor, seqs)

    def _put_plan(self, plan: Plan) -> None:
        latest: dict[str, Node] = {node.id: node for node in plan.nodes}
        PUT_NODES.run(self._cursor, [(id, encode_node(node)) for id, node in latest.items()])
        DROP_NODES.run(self._cursor, [(id,) for id in plan.gone_nodes])
        newest: dict[str, App] = {app.id: app for app in plan.apps}
        PUT_APPS.run(self._cursor, [(id, app.name, app.project, encode_app(app)) for id, app in newest.items()])
        DROP_APPS.run(self._cursor, [(id,) for id in plan.gone_apps])
        first = self._last_event + 1
        PUT_EVENTS.run(
            self._cursor,
            [
                (number, event.at, event.kind, event.subject, event.project, encode_detail(event.detail))
                for number, event in enumerate(plan.events, first)
            ],
        )

    def _put_access(self, write: Write) -> None:
        PUT_KEYS.run(
            self._cursor,
            [
                (key.id, key.digest, key.role, key.name, key.project, key.node_id, key.created_at, key.expires_at)
                for key in write.keys
            ],
        )
        DROP_KEYS.run(self._cursor, [(id,) for id in write.gone_keys])
        PUT_TOKENS.run(self._cursor, [(token.digest, token.expires_at) for token in write.tokens])
        DROP_TOKENS.run(self._cursor, [(digest,) for digest in write.gone_tokens])
        PUT_CERTIFICATES.run(self._cursor, [(one.host, encode_certificate(one)) for one in write.certificates])
        DROP_CERTIFICATES.run(self._cursor, [(host,) for host in write.gone_certificates])
        PUT_REGISTRIES.run(
            self._cursor, [(login.project, login.host, encode_registry(login)) for login in write.registries]
        )
        DROP_REGISTRIES.run(self._cursor, write.gone_registries)
        PUT_ANSWERS.run(
            self._cursor,
            [(answer.key, answer.digest, answer.status, answer.body, answer.at) for answer in write.answers],
        )

    def _prune(self, now: float) -> None:
        """Forget old answers and events, some at a time so that no commit takes long, and tokens that have expired."""
        old = (
            select(answers.c.key).where(answers.c.at < now - ANSWERS_KEPT_S).order_by(answers.c.at).limit(PRUNE_AT_ONCE)
        )
        self._connection.execute(delete(answers).where(answers.c.key.in_(old)))
        self._connection.execute(delete(tokens).where(tokens.c.expires_at < now))
        first = select(events.c.number, events.c.at).order_by(events.c.number).limit(PRUNE_AT_ONCE).subquery()
        past = select(first.c.number).where(
            first.c.at < now - self._events_kept_s
        )  # in their order, so by no index of times
        self._connection.execute(delete(events).where(events.c.number.in_(past)))

    def _remember(self, rows: JobRows, gone: Sequence[JobId]) -> None:
        for id, attempts in rows.attempts.items():
            if attempts is None:
                self._live.pop(id, None)
            else:
                self._live[id] = attempts
        for id in gone:
            self._live.pop(id, None)


def settled_at_of(job: Job) -> float | None:
    """When a job ended; None as long as it is live."""
    if job.live:
        return None
    return job.finished_at if job.finished_at is not None else job.created_at
