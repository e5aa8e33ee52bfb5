"""The build program: `python -m draas.agent.runtimes.build FOLDER`, begun by the build runtime and held by the supervisor of host processes."""

import signal
import sys
from pathlib import Path
from types import FrameType

import msgspec

from draas.agent.runtimes.build.failure import EXIT_FAILED, EXIT_KILLED, EXIT_STOPPED, Stopped
from draas.agent.runtimes.build.log_text import Masks
from draas.agent.runtimes.build.order import take_order, write_result
from draas.agent.runtimes.build.own_weight import step_back
from draas.agent.runtimes.build.program import Program
from draas.agent.runtimes.build.stopping import Stopping
from draas.agent.runtimes.build.telling import Telling
from draas.model.allocation import Cause

_EXITS = {Cause.OUT_OF_MEMORY: EXIT_KILLED, Cause.CANCELLED: EXIT_STOPPED}


def main() -> int:
    """The exit code; the result is in the folder."""
    folder = Path(sys.argv[1])
    stopping = Stopping()
    step_back()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.stop(Stopped())

    signal.signal(signal.SIGTERM, stop)
    order = take_order(folder)
    passwords = [login.password for login in (order.registry, *order.logins, *order.build.also_push.values())]
    tell = Telling(Masks([*order.build.secrets.values(), *passwords]), order.registry.host)
    result = Program(order, folder, stopping, tell).run()
    code = 0 if result.built is not None else _EXITS.get(result.cause, EXIT_FAILED)
    if code:
        tell.last("build stopped" if code == EXIT_STOPPED else f"build failed: {result.detail}")
    write_result(folder, msgspec.structs.replace(result, detail=tell.shown(result.detail)))
    return code


if __name__ == "__main__":
    sys.exit(main())
