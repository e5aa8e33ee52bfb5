"""Names of images in a Dockerfile: those of the cluster's registry become what this machine's engine can pull. Pure.

Only places where a Dockerfile names an image are touched: FROM, COPY and ADD --from, RUN --mount=from. Source: "Dockerfile reference".
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from draas.model.errors import Invalid
from draas.model.image_name import CLUSTER_HOST

# Others are programs that may pull whatever they like with the machine's rights.
SYNTAXES = re.compile(r"(?:docker\.io/)?docker/dockerfile(?:-upstream)?(?::[\w.-]+)?(?:@sha256:[0-9a-f]{64})?")
SYNTAX_ARG = "BUILDKIT_SYNTAX"
_DIRECTIVE = re.compile(r"\s*(?:#|//)\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*")
_INSTRUCTION = re.compile(r"\s*((?:ONBUILD\s+)*)(FROM|COPY|ADD|RUN|ARG)\s+", re.IGNORECASE)
_HEREDOC = re.compile(r"<<(-?)\s*([\"']?)([a-zA-Z_][a-zA-Z0-9_]*)\2")
_FLAGS = re.compile(r"(?:--\S+\s+)*")
_FROM_FLAG = re.compile(r"--from=(\S+)", re.IGNORECASE)
_MOUNT_FLAG = re.compile(r"--mount=(\S+)", re.IGNORECASE)
_MOUNT_FROM = re.compile(r"(?:^|[,\"])from=([^,\"]+)", re.IGNORECASE)
_VARIABLE = re.compile(r"\$(?:([a-zA-Z_][a-zA-Z0-9_]*)|\{([a-zA-Z_][a-zA-Z0-9_]*)(?:(:?[-+])([^{}$]*))?\})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewritten:
    """`images` are those of the cluster that are built upon, by the names under which this machine's engine pulls them."""

    text: str
    images: tuple[str, ...]


def rewrite_names(text: str, *, project: str, host: str, args: Mapping[str, str]) -> Rewritten:
    """`text` with draas.internal/PROJECT/NAME as `host`/PROJECT/NAME. `args` are the build's.

    Raises Invalid for images of another project, and for a foreign `# syntax=`, both of which would be pulled with this machine's rights.
    """
    lines = text.splitlines(keepends=True)
    escape = _checked_directives(lines, args)
    names = _Names(project=project, host=host, escape=escape)
    for line in lines:  # whatever one builder or the other takes for an instruction is looked at
        for found in _images_of(line, escape, leading=False):
            names.check(found.word)
    variables: dict[str, str | None] = {}
    out, at, in_stage, used = [], 0, False, []
    for instruction in _instructions(lines, escape):
        if (arg := _keyword(instruction.text)) == "ARG" and not in_stage:
            _take_args(instruction.text, variables, args, escape)
        in_stage = in_stage or arg == "FROM"
        for found in _images_of(instruction.text, escape, leading=True):
            new = names.local(found.word, variables if found.expands else None)
            if new is None:
                continue
            used.append(new)
            begin, end = instruction.at[found.begin], instruction.at[found.end - 1] + 1
            out += [text[at:begin], new]
            at = end
    return Rewritten(text="".join([*out, text[at:]]), images=tuple(dict.fromkeys(used)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Instruction:
    """One instruction without its line breaks; `at` says where in the file each of its characters stands."""

    text: str
    at: list[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A word in a place of an image's name."""

    word: str
    begin: int
    end: int
    expands: bool  # whether variables in it count


@dataclass(frozen=True, slots=True, kw_only=True)
class _Names:
    project: str
    host: str
    escape: str

    def local(self, word: str, variables: Mapping[str, str | None] | None) -> str | None:
        """What `word` is called by this machine's engine; None where that is nothing of ours. Raises Invalid."""
        name = _expand(word, variables, self.escape)
        host, slash, rest = name.partition("/")
        if not slash or host not in (CLUSTER_HOST, self.host):
            return None
        if rest.partition("/")[0] != self.project:
            raise Invalid(
                f"{CLUSTER_HOST}/{rest[:100]} is no image of the project {self.project}: build upon one of this project, "
                "or push it to this project first"
            )
        return f"{self.host}/{rest}"

    def check(self, word: str) -> None:
        """Raises Invalid where `word` as it stands names what may not be pulled."""
        if "$" not in word:
            self.local(word, {})


def _checked_directives(lines: list[str], args: Mapping[str, str]) -> str:
    """The escape character. Raises Invalid."""
    escape = "\\"
    if "".join(lines[:1]).lstrip("\ufeff \t").startswith("{"):
        raise Invalid(
            "the Dockerfile begins with {, which no instruction does: write it as the Dockerfile reference says"
        )
    chosen = [args[SYNTAX_ARG]] if SYNTAX_ARG in args else []
    for line in lines:
        bare = line.lstrip("\ufeff")
        if bare.startswith("#!"):
            continue
        found = _DIRECTIVE.fullmatch(bare)
        if found is None and bare.strip() and not bare.lstrip().startswith(("#", "//")):
            break
        if found is not None and found[1].lower() == "syntax":
            chosen.append(found[2])
        elif found is not None and found[1].lower() == "escape":
            escape = found[2][:1]
    for syntax in chosen:
        if not SYNTAXES.fullmatch(syntax):
            raise Invalid(f"the Dockerfile's syntax is {syntax[:80]!r}: use docker/dockerfile:1, or leave the line out")
    return escape


def _instructions(lines: list[str], escape: str) -> Iterator[_Instruction]:
    """All instructions, without comments and what stands in here-documents."""
    words: list[str] = []
    at: list[int] = []
    offset = 0
    waiting: list[
        tuple[bool, str]
    ] = []  # ends of here-documents: whether tabs before it count for nothing, and the word
    for line in lines:
        begin, offset = offset, offset + len(line)
        if waiting:
            strips, word = waiting[0]
            body = line.rstrip("\r\n")
            if (body.lstrip("\t") if strips else body) == word:
                waiting.pop(0)
            continue
        if line.lstrip().startswith("#") or (words and not line.strip()):
            continue
        content = line.rstrip()
        goes_on = content.endswith(escape)
        content = content[: -len(escape)] if goes_on else content
        words.append(content)
        at += range(begin, begin + len(content))
        if goes_on:
            continue
        text = "".join(words)
        if _keyword(text) in ("RUN", "COPY", "ADD"):
            waiting = [(bool(dash), word) for dash, _, word in _HEREDOC.findall(text)]
        if text.strip():
            yield _Instruction(text=text, at=at)
        words, at = [], []
    if words:
        yield _Instruction(text="".join(words), at=at)


def _keyword(text: str) -> str:
    found = _INSTRUCTION.match(text)
    return found[2].upper() if found is not None else ""


def _images_of(text: str, escape: str, *, leading: bool) -> Iterator[_Found]:
    """Where `text`, an instruction, names images. `leading`: flags only where flags stand, else anywhere."""
    found = _INSTRUCTION.match(text)
    if found is None:
        return
    keyword, start = found[2].upper(), found.end()
    flags = _FLAGS.match(text, start)
    end = flags.end() if flags is not None and leading else len(text)
    if keyword == "FROM":
        begin = flags.end() if flags is not None else start
        word = re.compile(r"\S+").match(text, begin)
        if word is not None:
            yield _Found(word=word[0], begin=word.start(), end=word.end(), expands=True)
    elif keyword in ("COPY", "ADD"):
        for flag in _FROM_FLAG.finditer(text, start, end):
            yield _Found(word=flag[1], begin=flag.start(1), end=flag.end(1), expands=False)
    elif keyword == "RUN":
        for mount in _MOUNT_FLAG.finditer(text, start, end):
            for word in _MOUNT_FROM.finditer(mount[1]):
                begin = mount.start(1) + word.start(1)
                yield _Found(word=word[1], begin=begin, end=begin + len(word[1]), expands=False)


def _take_args(text: str, variables: dict[str, str | None], args: Mapping[str, str], escape: str) -> None:
    """Those before the first FROM, which alone count in FROM."""
    for word in re.findall(r"(?:[^\s\"']|\"[^\"]*\"|'[^']*')+", text)[1:]:
        name, _, default = word.partition("=")
        try:
            variables[name] = args.get(name) or _expand(default, variables, escape)
        except Invalid:  # matters only where an image is named by it
            variables[name] = None


def _expand(word: str, variables: Mapping[str, str | None] | None, escape: str) -> str:
    """`word` without quotes and escapes, and with its variables filled in. Raises Invalid for what cannot be told beforehand."""
    out: list[str] = []
    quote, at = "", 0
    while at < len(word):
        character = word[at]
        if character == escape and quote != "'" and at + 1 < len(word):
            out.append(word[at + 1])
            at += 2
        elif character in "\"'" and quote in ("", character):
            quote = "" if quote else character
            at += 1
        elif character == "$" and quote != "'":
            found = _VARIABLE.match(word, at)
            value = _value(found, variables) if found is not None and variables is not None else None
            if found is None or value is None:
                raise Invalid(
                    f"{word[:80]!r} does not say which image it is: write its name out, or use ${{NAME:-default}}"
                )
            out.append(value)
            at = found.end()
        else:
            out.append(character)
            at += 1
    return "".join(out)


def _value(found: re.Match[str], variables: Mapping[str, str | None]) -> str | None:
    """None where it cannot be told."""
    plain, braced, operator, other = found.groups()
    name = plain or braced
    value = variables.get(name, "")
    if value is None:
        return None
    is_there = name in variables and (value != "" or not (operator or "").startswith(":"))
    if operator in ("+", ":+"):
        return other if is_there else ""
    if operator in ("-", ":-"):
        return value if is_there else other
    return value
