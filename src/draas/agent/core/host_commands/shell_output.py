"""What commands print, as far as that can be said without running them."""

from collections.abc import Sequence

from draas.agent.core.host_commands.shell_words import UNKNOWN
from draas.agent.core.host_commands.simple_command import Simple


def printed(commands: Sequence[Simple]) -> tuple[str, ...]:
    """What a command substitution gives, where that can be said."""
    if len(commands) != 1:
        return (UNKNOWN,)
    words = commands[0].words
    text = echoed(words)
    if text is not None:
        return (text,)
    return (words[-1],) if words[:1] == ["which"] or words[:2] == ["command", "-v"] else (UNKNOWN,)


def echoed(words: Sequence[str]) -> str | None:
    """What `echo` or `printf` of these words prints; None for other commands."""
    if not words or words[0].rpartition("/")[2] not in ("echo", "printf"):
        return None
    said = [word for word in words[1:] if word not in ("-n", "-e", "-ne", "-en", "--")]
    if words[0].endswith("printf") and len(said) > 1 and "%" in said[0]:
        said = said[1:]
    return " ".join(said).replace("\\n", "\n")
