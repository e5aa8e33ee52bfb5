"""Running one program of the build: its output, its end, and that a stop ends it with all that it started."""

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from draas.agent.runtimes.build.failure import BuildFailed
from draas.agent.runtimes.build.log_text import Lines
from draas.agent.runtimes.build.stopping import Stopping
from draas.model.allocation import Cause

READ_BYTES = 64 * 1024


def follow_command(
    words: Sequence[str],
    environment: Mapping[str, str],
    stopping: Stopping,
    say: Callable[[str], None],
    *,
    fds: Sequence[int] = (),
) -> int:
    """Run it and `say` each line of its output; the exit code, negative for a signal. Raises BuildFailed where it is missing or stopped."""
    with _started(words, environment, fds) as process, stopping.by(lambda: _end(process)):
        assert process.stdout is not None
        lines = Lines()
        while data := os.read(process.stdout.fileno(), READ_BYTES):
            for line in lines.feed(data):
                say(line)
        for line in lines.end():
            say(line)
        code = process.wait()
    stopping.check()
    return code


def run_command(
    words: Sequence[str], environment: Mapping[str, str], stopping: Stopping, timeout_s: float
) -> tuple[int, str]:
    """Run it: exit code and output. Raises BuildFailed where it takes longer than `timeout_s`, is missing or stopped."""
    said: list[str] = []
    late = threading.Event()

    def give_up(process: "subprocess.Popen[bytes]") -> None:
        late.set()
        _end(process)

    with _started(words, environment, ()) as process, stopping.by(lambda: _end(process)):
        timer = threading.Timer(timeout_s, give_up, [process])
        timer.daemon = True
        timer.start()
        try:
            assert process.stdout is not None
            said.append(process.stdout.read().decode(errors="replace"))
            code = process.wait()
        finally:
            timer.cancel()
    stopping.check()
    if late.is_set():
        raise BuildFailed(Cause.EXIT, f"{words[0]} took longer than {timeout_s:.0f} s: is the network slow?")
    return code, "".join(said)


@contextmanager
def _started(
    words: Sequence[str], environment: Mapping[str, str], fds: Sequence[int]
) -> Iterator["subprocess.Popen[bytes]"]:
    try:
        process = subprocess.Popen(
            list(words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            pass_fds=tuple(fds),
            start_new_session=True,
        )
    except OSError as error:
        told = f"{words[0]} cannot be run on this node ({error.strerror}): install it there"
        raise BuildFailed(Cause.RUNTIME, told) from None
    with process:
        try:
            yield process
        finally:
            _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """KILL: the engine sees the connection close, and ends what it does for it."""
    if process.poll() is None:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
