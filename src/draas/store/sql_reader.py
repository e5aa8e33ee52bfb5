"""SqlReader: what is asked of the database, on a connection that waits for no commit. Lives in one thread."""

from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import ColumnElement, Connection, func, select

from draas.model.event import Event
from draas.model.job import Job, JobId
from draas.store.sql_schema import answers, events, job_labels, job_nodes, job_specs, jobs
from draas.store.sql_writer import IDS_AT_ONCE, JOB_COLUMNS, chunks
from draas.store.sqlite import connect_reader, transaction
from draas.store.store import Answer, JobFilter, NumberedEvent, Page
from draas.store.stored import decode_detail, decode_job

_JOBS = select(*JOB_COLUMNS).join_from(jobs, job_specs, jobs.c.seq == job_specs.c.seq)


class SqlReader:
    """Every call sees one committed state. All raise StoreFailure."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: Connection = connect_reader(path)

    def close(self) -> None:
        self._connection.close()

    def jobs(self, ids: Sequence[JobId]) -> dict[JobId, Job]:
        """Those of `ids` that exist."""
        found: dict[JobId, Job] = {}
        with transaction(self._connection, self._path):
            for some in chunks(ids, IDS_AT_ONCE):
                for row in self._connection.execute(_JOBS.where(jobs.c.id.in_(some))):
                    job = decode_job(*row)
                    found[job.id] = job
        return found

    def list_jobs(self, match: JobFilter, below: int | None, limit: int) -> Page:
        """See Store.list_jobs."""
        where = _conditions(match)
        further = [*where, jobs.c.seq < below] if below is not None else where
        # The page is found on the narrow table alone, so that only its own rows cost a look at the bodies.
        page = select(jobs.c.seq).where(*further).order_by(jobs.c.seq.desc()).limit(limit + 1)
        with transaction(self._connection, self._path):
            total = self._connection.execute(select(func.count()).select_from(jobs).where(*where)).scalar_one()
            seqs = list(self._connection.execute(page).scalars())
            rows = self._connection.execute(_JOBS.where(jobs.c.seq.in_(seqs[:limit])).order_by(jobs.c.seq.desc()))
            items = [decode_job(*row) for row in rows]
        return Page(items=items, next=items[-1].seq if len(seqs) > limit and items else None, total=total)

    def events(self, after: int, limit: int, project: str | None) -> list[NumberedEvent]:
        """See Store.events."""
        found = select(events).where(events.c.number > after).order_by(events.c.number).limit(limit)
        if project is not None:
            found = found.where(events.c.project == project)
        with transaction(self._connection, self._path):
            return [
                NumberedEvent(
                    number=row.number,
                    event=Event(
                        at=row.at,
                        kind=row.kind,
                        subject=row.subject,
                        project=row.project,
                        detail=decode_detail(row.detail),
                    ),
                )
                for row in self._connection.execute(found)
            ]

    def answer(self, key: str) -> Answer | None:
        """See Store.answer."""
        with transaction(self._connection, self._path):
            row = self._connection.execute(select(answers).where(answers.c.key == key)).mappings().one_or_none()
            return Answer(**row) if row is not None else None

    def expired_jobs(self, finished_before: float, limit: int) -> list[JobId]:
        """See Store.expired_jobs."""
        old = (
            select(jobs.c.id)
            .where(jobs.c.settled_at < finished_before)
            .order_by(jobs.c.settled_at, jobs.c.seq)
            .limit(limit)
        )
        with transaction(self._connection, self._path):
            return [JobId(id) for id in self._connection.execute(old).scalars()]


def _conditions(match: JobFilter) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = []
    if match.project is not None:
        where.append(jobs.c.project == match.project)
    if match.state is not None:
        where.append(jobs.c.state == match.state.value)
    if match.name is not None:
        where.append(jobs.c.name == match.name)
    if match.node is not None:
        where.append(jobs.c.seq.in_(select(job_nodes.c.seq).where(job_nodes.c.node == match.node)))
    for name, value in match.labels.items():
        held = select(job_labels.c.seq).where(job_labels.c.name == name, job_labels.c.value == value)
        where.append(jobs.c.seq.in_(held))
    return where
