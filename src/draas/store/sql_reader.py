"""SqlReader: queries. Lives in one thread with a connection of its own, so that no commit waits for a long list."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, FromClause, func, select

from draas.model.event import Event
from draas.model.job import Job, JobId, JobKind
from draas.model.sample import Point
from draas.store.chunks import chunks
from draas.store.sql_failures import explain
from draas.store.sql_samples import select_samples
from draas.store.sql_schema import JOB_COLUMNS, answers, events, job_labels, job_nodes, job_specs, jobs, samples
from draas.store.sqlite import EXPECTED, connect_reader, transaction
from draas.store.store import Answer, JobFilter, NumberedEvent, Page, StoredSample
from draas.store.stored import decode_detail, decode_job, decode_values

IDS_AT_ONCE = 500


class SqlReader:
    """Sees what has been committed. `open` first; all in one thread. Everything raises StoreFailure."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: Connection | None = None

    def open(self) -> None:
        try:
            self._connection = connect_reader(self._path)
        except EXPECTED as error:
            raise explain(error, self._path) from error

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        assert self._connection is not None
        with transaction(self._connection, self._path):
            yield self._connection

    def jobs(self, ids: Sequence[JobId]) -> dict[JobId, Job]:
        """Those of `ids` that exist."""
        with self._reading() as connection:
            found = [
                decode_job(*row)
                for some in chunks(ids, IDS_AT_ONCE)
                for row in connection.execute(
                    select(*JOB_COLUMNS)
                    .join_from(jobs, job_specs, jobs.c.seq == job_specs.c.seq)
                    .where(jobs.c.id.in_(some))
                )
            ]
        return {job.id: job for job in found}

    def list_jobs(self, match: JobFilter, below: int | None, limit: int) -> Page:
        """Page and total are of one moment."""
        matching = _Matching(match)
        page = (
            select(*JOB_COLUMNS)
            .select_from(matching.with_jobs().join(job_specs, job_specs.c.seq == jobs.c.seq))
            .where(*matching.conditions)
            .order_by(matching.seq.desc())
            .limit(limit + 1)
        )
        if below is not None:
            page = page.where(matching.seq < below)
        total = select(func.count()).select_from(matching.source).where(*matching.conditions)
        with self._reading() as connection:
            rows = connection.execute(page).all()
            count = connection.execute(total).scalar_one()
        items = [decode_job(*row) for row in rows[:limit]]
        return Page(items=items, next=items[-1].seq if items and len(rows) > limit else None, total=count)

    def events(self, after: int, limit: int, project: str | None) -> list[NumberedEvent]:
        """At most `limit` events with larger numbers than `after`, in order."""
        wanted = select(events).where(events.c.number > after).order_by(events.c.number).limit(limit)
        if project is not None:
            wanted = wanted.where(events.c.project == project)
        with self._reading() as connection:
            rows = connection.execute(wanted).all()
        return [
            NumberedEvent(
                number=number,
                event=Event(at=at, kind=kind, subject=subject, project=project, detail=decode_detail(detail)),
            )
            for number, at, kind, subject, project, detail in rows
        ]

    def answer(self, key: str, since: float) -> Answer | None:
        """The answer to `key`, if it was given after `since`."""
        with self._reading() as connection:
            row = (
                connection.execute(select(answers).where(answers.c.key == key, answers.c.at >= since))
                .mappings()
                .first()
            )
        return Answer(**row) if row is not None else None

    def expired_jobs(self, finished_before: float, limit: int) -> list[JobId]:
        """The longest finished first."""
        old = select(jobs.c.id).where(jobs.c.settled_at < finished_before).order_by(jobs.c.settled_at, jobs.c.seq)
        with self._reading() as connection:
            return [JobId(id) for (id,) in connection.execute(old.limit(limit))]

    def samples(self, series: str, step_s: int, since: float, until: float) -> list[Point]:
        """See Store.samples."""
        with self._reading() as connection:
            rows = connection.execute(select_samples(series, step_s, since, until)).all()
        return [Point(at, decode_values(body)) for at, body in rows]

    def all_samples(self, step_s: int, since: float, until: float) -> list[StoredSample]:
        """See Store.all_samples."""
        wanted = select(samples).where(samples.c.step_s == step_s, samples.c.at >= since, samples.c.at < until)
        with self._reading() as connection:
            return [
                StoredSample(*row)
                for row in connection.execute(wanted.order_by(samples.c.step_s, samples.c.at, samples.c.series))
            ]

    def last_sample_at(self, step_s: int) -> int | None:
        """See Store.last_sample_at."""
        with self._reading() as connection:
            return connection.execute(select(func.max(samples.c.at)).where(samples.c.step_s == step_s)).scalar()


class _Matching:
    """What of the tables a filter needs.

    Without statistics SQLite cannot know which condition is the rare one, so it is decided here: the first of labels,
    node, name, kind (of builds, which are few), state, project, kind (of jobs) is looked up in an index that is in the
    order of `seq`; the other conditions are checked on each row that it gives.
    """

    def __init__(self, match: JobFilter) -> None:
        self.conditions: list[ColumnElement[bool]] = []
        self.seq: Column[Any] | ColumnElement[Any] = jobs.c.seq
        self.source: FromClause = jobs
        self._has_jobs = True
        self._add_side_tables(match)
        columns = [(jobs.c.name, match.name), (jobs.c.state, match.state), (jobs.c.project, match.project)]
        columns.insert(1 if match.kind is JobKind.BUILD else 3, (jobs.c.kind, match.kind))
        asked = [(column, str(value)) for column, value in columns if value is not None]
        if asked and not self._has_jobs:
            self.source, self._has_jobs = self.with_jobs(), True
        if asked and self.source is jobs:
            column, value = asked.pop(0)
            self.conditions.append(column == value)
        self.conditions.extend(column.concat("") == value for column, value in asked)  # no index fits an expression

    def _add_side_tables(self, match: JobFilter) -> None:
        for number, (name, value) in enumerate(match.labels.items()):
            labels = job_labels.alias(f"labels_{number}")
            self.conditions += [labels.c.name == name, labels.c.value == value]
            self._add(labels)
        if match.node is not None:
            self.conditions.append(job_nodes.c.node == match.node)
            self._add(job_nodes)

    def _add(self, side: FromClause) -> None:
        if self.source is jobs:
            self.source, self.seq, self._has_jobs = side, side.c.seq, False
        else:
            self.source = self.source.join(side, side.c.seq == self.seq)

    def with_jobs(self) -> FromClause:
        """The source with the table of jobs in it."""
        return self.source if self._has_jobs else self.source.join(jobs, jobs.c.seq == self.seq)
