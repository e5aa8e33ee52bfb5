"""`draas`, with a controller that dies at given commits as by `kill -9`, and is started again each time.

DEATHS is a list such as "1 before,1 after": before the first commit of one life, and in the next after it (durable, nobody told yet).
Each life is a fork of this process, which has imported everything; the last one, without a death, is this process itself.
"""

import os
import signal
import sys
from pathlib import Path

from draas.cli.main import main
from draas.server import main as server
from draas.store.sql import SqlStore
from draas.store.store import Write


def dying_store(at: int, when: str) -> type[SqlStore]:
    """A store whose commit number `at` ends the process."""

    class DyingStore(SqlStore):
        def __init__(self, folder: Path, *, events_kept_s: float) -> None:
            super().__init__(folder, events_kept_s=events_kept_s)
            self._commits = 0

        async def commit(self, write: Write) -> int:
            self._commits += 1
            if self._commits == at and when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            number = await super().commit(write)
            if self._commits == at and when == "after":
                os.kill(os.getpid(), signal.SIGKILL)
            return number

    return DyingStore


def live_and_die(at: int, when: str) -> None:
    """One life, to its end."""
    child = os.fork()
    if child == 0:
        server.SqlStore = dying_store(at, when)
        main()
        os._exit(0)
    signal.signal(signal.SIGTERM, lambda *_: (os.kill(child, signal.SIGKILL), os._exit(143)))
    _, status = os.waitpid(child, 0)
    if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
        sys.exit(f"the controller that was to die {when} commit {at} ended with {os.waitstatus_to_exitcode(status)}")
    print(f"died {when} commit {at}", flush=True)


if __name__ == "__main__":
    for death in filter(None, os.environ.get("DEATHS", "").split(",")):
        number, _, moment = death.partition(" ")
        live_and_die(int(number), moment)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    main()
