"""A process that commits for ever and prints the number of each commit that was acknowledged: the one that tests kill.

`python committing.py FOLDER`: commit N writes jobs j-N-0 … j-N-4, an event, and the new version of job j-counter.
"""

import asyncio
import sys
from pathlib import Path

from draas.model.event import Event
from draas.model.job import Job, JobId, JobSpec, JobState, ProjectName
from draas.model.plan import Plan
from draas.store.sql import SqlStore
from draas.store.store import Write

IN_COMMIT = 5


def made(id: str, seq: int, reason: str) -> Job:
    return Job(
        id=JobId(id),
        project=ProjectName("default"),
        seq=seq,
        spec=JobSpec(command="true"),
        state=JobState.QUEUED,
        created_at=0.0,
        reason=reason,
    )


async def main(folder: Path) -> None:
    store = SqlStore(folder)
    snapshot = await store.open()
    number = (snapshot.next_seq + IN_COMMIT - 2) // IN_COMMIT
    while True:
        number += 1
        first = (number - 1) * IN_COMMIT + 2
        jobs = [made(f"j-{number}-{at}", first + at, "") for at in range(IN_COMMIT)]
        counter = made("j-counter", 1, str(number))
        event = Event(at=0.0, kind="commit", subject=str(number))
        await store.commit(Write(plan=Plan(jobs=(*jobs, counter), events=(event,))))
        print(number, flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
