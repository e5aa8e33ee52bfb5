"""Starting one process with its pipes, from the supervisor."""

import os
import signal
from typing import NamedTuple

# Python ignores these in itself; a job gets them as every program expects.
DEFAULT_SIGNALS = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
NOT_FOUND, NOT_EXECUTABLE = 127, 126  # as POSIX shells say


class CannotExecute(Exception):
    """The program is not there or cannot be run; `exit_code` is what a shell would give."""

    def __init__(self, exit_code: int, detail: str) -> None:
        super().__init__(detail)
        self.exit_code = exit_code
        self.detail = detail


class Spawned(NamedTuple):
    pid: int
    stdout: int
    stderr: int


def find_program(name: bytes, search_path: bytes) -> bytes:
    """The file that `name` means, looked up in the job's own PATH. Raises CannotExecute."""
    shown = os.fsdecode(name)
    if not name:
        raise CannotExecute(NOT_FOUND, "the command is empty: give a program to run")
    candidates = [name] if b"/" in name else [os.path.join(folder or b".", name) for folder in search_path.split(b":")]
    present = [path for path in candidates if os.path.isfile(path)]
    for path in present:
        if os.access(path, os.X_OK):
            return path
    if present:
        raise CannotExecute(NOT_EXECUTABLE, f"{shown}: is not executable: chmod +x it, or name its interpreter")
    raise CannotExecute(NOT_FOUND, f"{shown}: not found on this node: install it there, or use an image that has it")


def spawn(argv: list[bytes], env: dict[bytes, bytes]) -> Spawned:
    """Start `argv` in the current directory, in a session of its own, with pipes for its output and nothing to read.

    Raises CannotExecute, OSError (too long, no more processes), ValueError (NUL in the command or the environment).
    """
    program = find_program(argv[0] if argv else b"", env.get(b"PATH", b""))
    out_reader, out_writer = os.pipe()
    err_reader, err_writer = os.pipe()
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, out_writer, 1),
        (os.POSIX_SPAWN_DUP2, err_writer, 2),
    ]
    try:
        pid = os.posix_spawn(
            program, argv, env, file_actions=actions, setsid=True, setsigdef=DEFAULT_SIGNALS, setsigmask=()
        )
    except (OSError, ValueError) as error:
        os.close(out_reader)
        os.close(err_reader)
        if isinstance(error, PermissionError):
            raise CannotExecute(NOT_EXECUTABLE, f"{os.fsdecode(argv[0])}: {error.strerror}") from None
        if isinstance(error, OSError) and error.errno == 8:  # ENOEXEC
            raise CannotExecute(
                NOT_EXECUTABLE, f"{os.fsdecode(argv[0])}: no program of this machine (no #! line?)"
            ) from None
        raise
    finally:
        os.close(out_writer)
        os.close(err_writer)
    os.set_blocking(out_reader, False)
    os.set_blocking(err_reader, False)
    return Spawned(pid, out_reader, err_reader)
