"""What is run for a host job, as words: the command, its environment, the sandbox or the limits around it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from draas.wire.link import Assignment

Isolation = Literal["sandboxed", "plain"]
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Hidden from sandboxed jobs: sockets of engines and other daemons, and the secrets of whoever runs the agent.
HIDDEN = ("/run", "/var/run", "/tmp", "/var/tmp", "/root", "/home")
RUN_ARGUMENTS = 'exec "$@"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """How to call bubblewrap here. `hidden` folders are those that exist, parents first; the data folder is hidden always."""

    bwrap: str
    data_dir: str
    hidden: Sequence[str] = ()
    devices: Sequence[str] = ()  # GPUs


def render_argv(command: str | tuple[str, ...]) -> list[str]:
    """A string is run by the shell, whole and with its lines; a tuple as it is."""
    return ["/bin/sh", "-c", command] if isinstance(command, str) else list(command)


def render_env(assignment: Assignment, workdir: str) -> dict[str, str]:
    """A clean environment: nothing of the agent's own. What the job gives wins, but for the marker that finds its processes."""
    return {
        "PATH": PATH,
        "LANG": "C.UTF-8",
        "HOME": workdir,
        "CUDA_VISIBLE_DEVICES": ",".join(map(str, range(assignment.resources.gpus))),
        **assignment.env,
        "DRAAS_JOB_ID": assignment.job_id,
        "DRAAS_JOB_NAME": assignment.name,
        "DRAAS_PROJECT": assignment.project,
        "DRAAS_ATTEMPT": str(assignment.number),
        "DRAAS_ALLOCATION": assignment.id,
    }


def wrap_sandbox(argv: Sequence[str], workdir: str, sandbox: Sandbox) -> list[str]:
    """`argv` under bubblewrap: the host read-only, its own processes, /tmp and /dev, no capability, no way to the agent's files.

    The network is the host's: host jobs are there to reach what the host reaches. The last word before the command is a shell
    that replaces itself, so that a program that is not there ends with 127 as everywhere.
    """
    words = [sandbox.bwrap, "--die-with-parent", "--new-session", "--unshare-pid", "--unshare-ipc", "--unshare-uts"]
    words += ["--unshare-cgroup-try", "--cap-drop", "ALL", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
    for path in sandbox.devices:
        words += ["--dev-bind", path, path]
    for path in sandbox.hidden:
        words += ["--tmpfs", path]
    words += [
        "--tmpfs",
        sandbox.data_dir,
        "--bind",
        workdir,
        workdir,
        "--remount-ro",
        sandbox.data_dir,
        "--remount-ro",
        "/",
    ]
    return [*words, "--chdir", workdir, "--", "/bin/sh", "-c", RUN_ARGUMENTS, "sh", *argv]


def wrap_rlimits(argv: Sequence[str], memory_bytes: int) -> list[str]:
    """`argv` with a limit on each process's address space, for want of control groups. Processes each count for themselves."""
    if memory_bytes == 0:
        return list(argv)
    return ["/bin/sh", "-c", f"ulimit -v {memory_bytes // 1024}; {RUN_ARGUMENTS}", "sh", *argv]


def wrap_deathsig(argv: Sequence[str], setpriv: str) -> list[str]:
    """`argv` so that the kernel kills it with the supervisor: for exclusive jobs, whose lease nobody would watch any more."""
    return [setpriv, "--pdeathsig", "KILL", "--", *argv]


def encode_words(words: Sequence[str]) -> list[bytes]:
    """As the kernel takes them. Raises ValueError for a NUL or half of a surrogate pair."""
    return [_encode(word) for word in words]


def encode_env(env: Mapping[str, str]) -> dict[bytes, bytes]:
    """As the kernel takes it. Raises ValueError for a name or value that no environment can hold."""
    for name in env:
        if not name or "=" in name:
            raise ValueError(f"{name!r} cannot be the name of an environment variable: use letters, digits and _")
    return {_encode(name): _encode(value) for name, value in env.items()}


def _encode(word: str) -> bytes:
    if "\0" in word:
        raise ValueError(f"{word[:40]!r} holds a NUL character, which no command or environment can: remove it")
    try:
        return word.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError(f"{word[:40]!r} is not valid Unicode: remove the lone surrogate") from None
