"""Host commands that are refused: those that would destroy the machine they run on. Pure.

A seat belt against mistakes, judged on the parsed command (shell_reader.py). It does not stop whoever wants around it, a program
that was compiled or a script that was fetched: that wall is the sandbox (docs/concepts/host-jobs.md).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from draas.agent.core.host_commands.finding import Found
from draas.agent.core.host_commands.programs import CHECKS, check_code, check_find, check_formatter
from draas.agent.core.host_commands.protected import check_write
from draas.agent.core.host_commands.shell_output import echoed
from draas.agent.core.host_commands.shell_reader import MAX_DEPTH, Reader, TooDeep
from draas.agent.core.host_commands.shell_scope import Scope, mentioned_names
from draas.agent.core.host_commands.shell_words import HOME, SELF, UNKNOWN
from draas.agent.core.host_commands.simple_command import Simple
from draas.agent.core.host_commands.wrappers import WRAPPERS, env_split, scripts, unwrap


@dataclass(frozen=True, slots=True)
class Refusal:
    """`pattern` names what was recognised, `reason` is the sentence for the user, with the remedy."""

    pattern: str
    reason: str


def check_command(command: str | tuple[str, ...], env: Mapping[str, str] | None = None) -> Refusal | None:
    """Why a host job's command is refused, or None. `env` is all that the command finds in its environment; None: that is not known.

    Never raises, and takes time in proportion to the command's length.
    """
    try:
        if isinstance(command, str):
            _check_script(command, env, 0)
        else:
            _check(Simple(words=list(command)), env, 0)
    except TooDeep:
        return _render("nested too deep to be judged", "")
    except Found as found:
        return _render(found.pattern, found.part)
    return None


def _render(pattern: str, part: str) -> Refusal:
    shown = part.replace(UNKNOWN, "?").replace(SELF, "$0").replace(HOME, "~")
    shown = shown if len(shown) <= 120 else shown[:119] + "…"
    quoted = f" (`{shown}`)" if shown else ""
    return Refusal(
        pattern,
        f"host commands like this are refused: {pattern}{quoted}; name exactly what you mean, or run it in a container (--image)",
    )


def _check_script(text: str, env: Mapping[str, str] | None, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise TooDeep
    scope = Scope(env, mentioned_names(text) if env is not None else frozenset())
    read = Reader(text, scope, depth).read()
    if read.bombs:
        raise Found("a fork bomb", f"{read.bombs[0]}() calls itself without end")
    for simple in read.commands:
        _check(simple, env, depth)


def _check(simple: Simple, env: Mapping[str, str] | None, depth: int) -> None:
    for target in simple.writes:
        check_write(target, f"> {target}")
    words = simple.words
    piped = echoed(simple.piped_from.words) if simple.piped_from is not None else None
    said = piped if piped is not None else simple.stdin
    for _ in range(MAX_DEPTH):
        if not words:
            return
        name = words[0].rpartition("/")[2]
        if name == "env" and (script := env_split(words)) is not None:
            words = script.split()
            continue
        wrapper = WRAPPERS.get(name)
        if wrapper is None:
            break
        if name in ("flock", "watch", "parallel") and len(words) > 1 and " " in words[-1]:
            _check_script(words[-1], env, depth + 1)
        words = unwrap(words, wrapper)
        if name == "xargs" and said is not None:
            words = [*words, *said.split()]
    if not words:
        return
    _check_program(words, simple, said, env, depth)


def _check_program(
    words: list[str], simple: Simple, said: str | None, env: Mapping[str, str] | None, depth: int
) -> None:
    name = words[0].rpartition("/")[2]
    for script in scripts(name, words, said):
        _check_script(script, env, depth + 1)
    if words[0] == SELF and (simple.background or simple.piped_from is not None):
        raise Found("a fork bomb", "$0 starts itself")
    if re.match(r"(?:python|perl|ruby|node|php|lua)[\d.]*$", name):
        check_code(words, said)
    if name == "find":
        check_find(words, simple.cwd)
    check = CHECKS.get(name) or (check_formatter if name.startswith("mkfs") else None)
    if check is not None:
        check(words, simple.cwd)
