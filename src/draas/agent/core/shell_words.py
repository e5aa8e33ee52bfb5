"""Reads a shell script into the simple commands that it would run, without running any of it. Pure, and linear in the script's length.

Not a shell: what only the machine knows (files, most variables, what programs print) is UNKNOWN, both branches of a condition count as run, and
a loop's variable has all its values at once. Source: POSIX.1-2017, XCU chapter 2, with what bash adds to it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

UNKNOWN = "\x00"  # no command can hold these three, so nothing that is written can be mistaken for them
SELF = "\x01"  # $0
HOME = "\x02"  # the home folder
MAX_DEPTH = 24  # scripts in scripts: honest ones stay below 5
MAX_VALUES = 64  # alternatives of one word
MAX_VALUE_CHARS = 4096  # a path may have no more; keeps x=$x$x from growing for ever

_PLAIN = re.compile(r"[^\s'\"\\$`;&|()<>]+", re.ASCII)
_SIMPLE_WORD = re.compile(r"[^\s'\"\\$`;&|()<>~{][^\s'\"\\$`;&|()<>{]*(?=[\s;&|)]|$)", re.ASCII)  # nearly all of them
_QUOTED_PLAIN = re.compile(r'[^"\\$`]+')
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:\[[^\]\s]{0,64}\])?\+?=")
_PARAMETER = re.compile(r"([A-Za-z_][A-Za-z0-9_]*|[0-9]+|[@*#?!$-])(:?[-=?+])?")
_REDIRECTION = re.compile(r"(?:\d{1,3}|&)?(<<<|<<-?|<>|<&|>&|>>|>\||>|<)")
_EMPTY_PARENTHESES = re.compile(r"\([ \t]*\)")
_ESCAPE = re.compile(r"\\(?:x([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{1,4})|([0-7]{1,3})|(.))", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "e": "\x1b", "f": "\f", "v": "\v"}
_BRACES = re.compile(r"\{([^{}]*)\}")
_OPERATOR = re.compile(r"&&|\|\||\|&|;;&|;;|;&|[;&|\n]")
_KEYWORDS = frozenset(
    ["if", "then", "else", "elif", "fi", "while", "until", "do", "done", "!", "time", "coproc", "esac", "in"]
)
# Set by shells themselves, so never known to be empty.
_SHELLS_OWN = frozenset(
    [
        "PWD",
        "OLDPWD",
        "RANDOM",
        "SRANDOM",
        "SECONDS",
        "LINENO",
        "UID",
        "EUID",
        "PPID",
        "HOSTNAME",
        "HOSTTYPE",
        "OSTYPE",
        "MACHTYPE",
        "SHLVL",
        "OPTARG",
        "OPTIND",
        "REPLY",
        "PIPESTATUS",
        "FUNCNAME",
        "DIRSTACK",
        "GROUPS",
        "EPOCHSECONDS",
        "EPOCHREALTIME",
        "BASH",
        "BASHPID",
        "BASH_SOURCE",
        "BASH_VERSION",
        "COLUMNS",
        "LINES",
        "TERM",
        "SHELL",
        "USER",
        "LOGNAME",
    ]
)


class TooDeep(Exception):
    """The script nests further than honest ones do."""


@dataclass(slots=True, kw_only=True)
class Simple:
    """One simple command: its words as expanded, what it writes by redirection, what it reads, where it runs (None: not known)."""

    words: list[str] = field(default_factory=list)
    writes: list[str] = field(default_factory=list)
    stdin: str | None = None
    cwd: str | None = None
    piped_from: "Simple | None" = None
    background: bool = False


@dataclass(slots=True)
class _Group:
    closing: str
    function: str | None
    undo: int
    recursive: set[str] = field(default_factory=set)  # functions that call themselves in here


@dataclass(slots=True)
class _Function:
    calls: int = 0  # of itself
    piped: bool = False  # one of them


class Scope:
    """Variables and the current folder, with a way back for what a subshell changes. `env` None: nothing of the environment is known."""

    def __init__(self, env: Mapping[str, str] | None = None, mentioned: frozenset[str] = frozenset()) -> None:
        self._env = env
        self._mentioned = mentioned
        self._values: dict[str, tuple[str, ...]] = {}
        self._undo: list[tuple[str, tuple[str, ...] | None, str | None]] = []
        self.cwd: str | None = None

    def value(self, name: str) -> tuple[str, ...]:
        """The values that the variable may have."""
        if (known := self._values.get(name)) is not None:
            return known
        if name == "IFS":
            return (" ",)
        if name == "HOME":
            return (HOME,)
        if self._env is None or name in self._mentioned or name in _SHELLS_OWN:
            return (UNKNOWN,)
        return (self._env.get(name, ""),)

    def assign(self, name: str, values: Sequence[str]) -> None:
        self._undo.append((name, self._values.get(name), self.cwd))
        self._values[name] = tuple(one if len(one) <= MAX_VALUE_CHARS else UNKNOWN for one in values[:MAX_VALUES]) or (
            "",
        )

    def go(self, folder: str | None) -> None:
        self._undo.append(("", None, self.cwd))
        self.cwd = folder

    def mark(self) -> int:
        return len(self._undo)

    def back_to(self, mark: int) -> None:
        while len(self._undo) > mark:
            name, before, self.cwd = self._undo.pop()
            if before is not None:
                self._values[name] = before
            else:
                self._values.pop(name, None)


def mentioned_names(script: str) -> frozenset[str]:
    """Names that the script may give a value to: those that stand anywhere but behind a `$`."""
    return frozenset(re.findall(r"(?<![$\w{])[A-Za-z_]\w*", script))


class Reader:
    """Reads one script. After `read`, `commands` are its simple commands in order and `bombs` functions that multiply themselves."""

    def __init__(self, text: str, scope: Scope, depth: int = 0) -> None:
        if depth > MAX_DEPTH:
            raise TooDeep
        self._text = text
        self._at = 0
        self._scope = scope
        self._depth = depth
        self.commands: list[Simple] = []
        self.bombs: list[str] = []
        self._now = Simple()
        self._pipe: Simple | None = None
        self._groups: list[_Group] = []
        self._functions: dict[str, _Function] = {}  # those whose body is being read
        self._defining: str | None = None
        self._heredocs: list[tuple[Simple, str, bool]] = []
        self._nested = 0

    def read(self) -> "Reader":
        """All of it, once. Raises TooDeep."""
        while self._at < len(self._text):
            self._step()
        self._end("")
        return self

    # --- commands ---

    def _read_substitution(self) -> list[Simple]:
        """From behind `$(` to behind its `)`; the commands in it."""
        if self._depth + self._nested >= MAX_DEPTH:
            raise TooDeep
        self._nested += 1
        outer = (self._now, self._pipe, self._defining, self._groups)
        self._now, self._pipe, self._defining = Simple(), None, None
        self._groups = [_Group(")", None, self._scope.mark())]
        first = len(self.commands)
        while self._groups and self._at < len(self._text):
            self._step()
        self._end("")
        while self._groups:
            self._scope.back_to(self._groups.pop().undo)
        self._now, self._pipe, self._defining, self._groups = outer
        self._nested -= 1
        return self.commands[first:]

    def _step(self) -> None:
        text, at = self._text, self._at
        char = text[at]
        if char in " \t\r\f\v":
            self._at += 1
        elif char == "#":
            end = text.find("\n", at)
            self._at = end if end >= 0 else len(text)
        elif char == "\\" and text.startswith("\n", at + 1):
            self._at += 2
        elif text.startswith(("<(", ">("), at):
            self._at += 2
            self._read_substitution()
            self._now.words.append(UNKNOWN)
        elif (found := _REDIRECTION.match(text, at)) is not None:
            self._at = found.end()
            self._redirect(found[1])
        elif (found := _OPERATOR.match(text, at)) is not None:
            self._at = found.end()
            self._end(found[0])
        elif char == "(":
            self._open_parenthesis()
        elif char == ")":
            self._at += 1
            self._end("")
            self._close(")")
        elif not self._now.words and char in "{}" and self._is_brace(char):
            self._at += 1
            self._open("}") if char == "{" else self._close("}")
        else:
            self._word()

    def _is_brace(self, char: str) -> bool:
        if char == "}":
            return True
        return self._defining is not None or self._text[self._at + 1 : self._at + 2] in ("", " ", "\t", "\n")

    def _open_parenthesis(self) -> None:
        empty = _EMPTY_PARENTHESES.match(self._text, self._at)
        if empty is not None and len(self._now.words) == 1:
            self._at = empty.end()
            self._defining = self._now.words[0]
            self._now = Simple()
            return
        self._at += 1
        self._end("")
        self._open(")")

    def _open(self, closing: str) -> None:
        function, self._defining = self._defining, None
        if function is not None:
            self._functions[function] = _Function()
        self._groups.append(_Group(closing, function, self._scope.mark()))

    def _close(self, closing: str) -> None:
        if not self._groups or self._groups[-1].closing != closing:
            return  # a pattern of `case`, or nonsense
        group = self._groups.pop()
        if closing == ")":
            self._scope.back_to(group.undo)
        if group.function is not None:
            self._functions.pop(group.function, None)
            group.recursive.discard(group.function)
        if group.recursive:
            operator = _OPERATOR.match(self._text, self._skip_blanks())
            for function in group.recursive & self._functions.keys():
                self._note_call(function, operator[0] if operator is not None else "", 0)

    def _skip_blanks(self) -> int:
        at = self._at
        while self._text[at : at + 1] in (" ", "\t"):
            at += 1
        return at

    def _end(self, operator: str) -> None:
        """The simple command is whole."""
        now, self._now = self._now, Simple()
        now.cwd, now.piped_from, now.background = self._scope.cwd, self._pipe, operator == "&"
        self._pipe = now if operator in ("|", "|&") else None
        if now.words or now.writes or now.stdin is not None:
            self.commands.append(now)
            self._follow(now)
        if operator == "\n":
            self._read_heredocs()

    def _follow(self, now: Simple) -> None:
        """What the command changes for those after it; whether it is a function that calls itself."""
        words = now.words
        if words and words[0] in self._functions:
            self._note_call(
                words[0],
                "|" if now.piped_from is not None else "&" if now.background else "|" if self._pipe is now else "",
                1,
            )
        if words[:1] in (["for"], ["select"]) and len(words) > 3 and _NAME.fullmatch(words[1]):
            self._scope.assign(words[1], words[3:])
        if words[:1] in (["cd"], ["pushd"]):
            folders = [word for word in words[1:] if not word.startswith("-")]
            self._scope.go(join_folder(now.cwd, folders[0]) if folders else None)

    def _note_call(self, name: str, operator: str, calls: int) -> None:
        """A function calls itself: in the background, or twice and through a pipe, it multiplies."""
        function = self._functions[name]
        function.calls += calls
        function.piped = function.piped or operator in ("|", "|&")
        if operator == "&" or (function.piped and function.calls > 1):
            self.bombs.append(name)
        if self._groups:
            self._groups[-1].recursive.add(name)

    # --- here-documents and redirections ---

    def _redirect(self, operator: str) -> None:
        self._at = self._skip_blanks()
        if operator in ("<<", "<<-"):
            start = self._at
            self._fields()
            delimiter = re.sub(r"['\"\\]", "", self._text[start : self._at])
            self._heredocs.append((self._now, delimiter, operator == "<<-"))
            return
        targets = self._fields()
        if operator == "<<<":
            self._now.stdin = " ".join(targets)
        elif operator in (">", ">>", ">|", "<>", ">&"):
            self._now.writes += targets

    def _read_heredocs(self) -> None:
        waiting, self._heredocs = self._heredocs, []
        for command, delimiter, strips in waiting:
            lines = []
            while self._at < len(self._text):
                end = self._text.find("\n", self._at)
                end = end if end >= 0 else len(self._text)
                line = self._text[self._at : end]
                self._at = end + 1
                if (line.lstrip("\t") if strips else line) == delimiter:
                    break
                lines.append(line)
            command.stdin = "\n".join(lines)

    # --- words ---

    def _word(self) -> None:
        words = self._now.words
        if not words and (found := _ASSIGNMENT.match(self._text, self._at)) is not None:
            self._at = found.end()
            if self._text.startswith("(", self._at):
                return  # an array: its words follow as a subshell's
            self._scope.assign(found[1], self._fields(splits=False))
            return
        fields = self._fields()
        if words and words[0] in ("for", "select", "case", "function"):
            self._compound(words, fields)
        elif not words and len(fields) == 1 and fields[0] in _KEYWORDS:
            return
        else:
            words += fields

    def _compound(self, words: list[str], fields: list[str]) -> None:
        kind = words[0]
        if kind == "function" and fields:
            self._now = Simple()
            self._defining = fields[0]
            empty = _EMPTY_PARENTHESES.match(self._text, self._skip_blanks())
            self._at = empty.end() if empty is not None else self._at
        elif kind == "case":
            self._now = Simple() if fields == ["in"] else self._now
        else:
            words += fields

    def _fields(self, splits: bool = True) -> list[str]:
        """One word from here on, as the fields that it becomes. Always moves on, unless an operator stands here."""
        text = self._text
        if (simple := _SIMPLE_WORD.match(text, self._at)) is not None:
            self._at = simple.end()
            return [simple[0]]
        building = _Building(splits)
        if text.startswith("~", self._at) and text[self._at + 1 : self._at + 2] in (
            "",
            "/",
            " ",
            "\t",
            "\n",
            ";",
            "&",
            "|",
            ")",
        ):
            building.add((HOME,))
            self._at += 1
        while self._at < len(text):
            char = text[self._at]
            if (plain := _PLAIN.match(text, self._at)) is not None:
                building.add((plain[0],))
                self._at = plain.end()
            elif char == "'":
                end = text.find("'", self._at + 1)
                end = end if end >= 0 else len(text)
                building.add((text[self._at + 1 : end],))
                self._at = end + 1
            elif char == '"':
                self._at += 1
                self._double_quoted(building)
            elif char == "\\":
                building.add((text[self._at + 1 : self._at + 2].replace("\n", ""),))
                self._at += 2
            elif char in "$`":
                building.add(self._expansion(), unquoted=True)
            else:
                break
        return building.fields()

    def _double_quoted(self, building: "_Building") -> None:
        text = self._text
        building.add(("",))
        while self._at < len(text):
            char = text[self._at]
            if (plain := _QUOTED_PLAIN.match(text, self._at)) is not None:
                building.add((plain[0],))
                self._at = plain.end()
            elif char == '"':
                self._at += 1
                return
            elif char == "\\":
                escaped = text[self._at + 1 : self._at + 2]
                building.add((escaped if escaped in '$`"\\' else "" if escaped == "\n" else "\\" + escaped,))
                self._at += 2
            else:
                building.add(self._expansion())

    def _expansion(self) -> tuple[str, ...]:
        """From a `$` or a backtick: the values it may have."""
        text, at = self._text, self._at
        following = text[at + 1 : at + 2]
        if text[at] == "`":
            return self._backticks()
        if following == "(":
            return self._parenthesised()
        if following == "{":
            return self._parameter()
        if following == "'":
            return (self._ansi_quoted(),)
        if (name := _NAME.match(text, at + 1)) is not None:
            self._at = name.end()
            return self._scope.value(name[0])
        if following and following in "0123456789@*#?!$-":
            self._at += 2
            return (SELF,) if following == "0" else (UNKNOWN,)
        self._at += 1
        return ("",) if following == '"' else ("$",)

    def _backticks(self) -> tuple[str, ...]:
        found = re.compile(r"`((?:[^`\\]|\\.)*)`?", re.DOTALL).match(self._text, self._at)
        assert found is not None
        self._at = found.end()
        inner = Reader(re.sub(r"\\([`\\$])", r"\1", found[1]), self._scope, self._depth + self._nested + 1)
        mark = self._scope.mark()
        inner.read()
        self._scope.back_to(mark)
        self.commands += inner.commands
        self.bombs += inner.bombs
        return printed(inner.commands)

    def _parenthesised(self) -> tuple[str, ...]:
        if self._text.startswith("$((", self._at) and (end := self._text.find("))", self._at)) >= 0:
            between = self._text[self._at + 3 : end]
            if "$(" not in between and "`" not in between and "\n" not in between:
                self._at = end + 2
                return (UNKNOWN,)
        self._at += 2
        return printed(self._read_substitution())

    def _parameter(self) -> tuple[str, ...]:
        found = _PARAMETER.match(self._text, self._at + 2)
        if found is None:
            self._at += 2
            self._skip_to_brace()
            return (UNKNOWN,)
        self._at = found.end()
        name, operator = found[1], (found[2] or "")[-1:]
        if not operator and self._text.startswith("}", self._at):
            self._at += 1
            return (SELF,) if name == "0" else self._scope.value(name) if _NAME.match(name) else (UNKNOWN,)
        inside = self._skip_to_brace()
        if operator not in ("-", "=", "+"):
            return (UNKNOWN,)
        if self._depth + self._nested >= MAX_DEPTH:
            raise TooDeep
        default = Reader(inside, self._scope, self._depth + self._nested + 1)
        other = tuple(default._fields(splits=False))
        self.commands += default.commands
        known = self._scope.value(name) if _NAME.match(name) else (UNKNOWN,)
        return other if known == ("",) or operator == "+" else other + known

    def _skip_to_brace(self) -> str:
        """To behind the `}` that closes this parameter; what stands before it."""
        start, depth = self._at, 1
        for found in re.compile(r"[{}]").finditer(self._text, start):
            depth += 1 if found[0] == "{" else -1
            if depth == 0:
                self._at = found.end()
                return self._text[start : found.start()]
        self._at = len(self._text)
        return self._text[start:]

    def _ansi_quoted(self) -> str:
        found = re.compile(r"\$'((?:[^'\\]|\\.)*)'?", re.DOTALL).match(self._text, self._at)
        assert found is not None
        self._at = found.end()
        return _ESCAPE.sub(_unescape, found[1])


class _Building:
    """A word as it grows: fields that are whole, and the alternatives of the one at the end."""

    def __init__(self, splits: bool) -> None:
        self._splits = splits
        self._whole: list[str] = []
        self._ends: list[list[str]] = []
        self._began = False

    def add(self, values: Sequence[str], unquoted: bool = False) -> None:
        """One of `values` stands next."""
        if (
            unquoted
            and self._splits
            and any(character.isspace() for value in values for character in value[:MAX_VALUE_CHARS])
        ):
            for value in values:
                self._add_split(value)
            return
        self._began = self._began or not unquoted or any(values)
        self._ends.append(list(values))

    def _add_split(self, value: str) -> None:
        parts = value.split()
        if not parts or value[:1].isspace():
            self._cut()
        for number, part in enumerate(parts):
            if number:
                self._cut()
            self._ends.append([part])
            self._began = True
        if parts and value[-1:].isspace():
            self._cut()

    def _cut(self) -> None:
        self._whole += self._last()
        self._ends, self._began = [], False

    def _last(self) -> list[str]:
        if not self._began:
            return []
        count = 1
        for values in self._ends:
            count *= len(values)
            if count > MAX_VALUES:
                return [UNKNOWN]
        pieces, found = [], [""]
        for (
            values
        ) in self._ends:  # runs of single values are joined at once, so that a word of many pieces stays linear
            if len(values) == 1:
                pieces.append(values[0])
                continue
            found = [one + "".join(pieces) + value for one in found for value in values]
            pieces = []
        return [one + "".join(pieces) for one in found]

    def fields(self) -> list[str]:
        """The fields, with braces expanded."""
        self._cut()
        return [one for word in self._whole for one in expand_braces(word)]


def expand_braces(word: str) -> list[str]:
    """`/{bin,usr}` as bash expands it, as far as MAX_VALUES."""
    if "{" not in word or len(word) > MAX_VALUE_CHARS:
        return [word]
    done: list[str] = []
    todo = [word]
    while todo and len(done) + len(todo) <= MAX_VALUES:
        one = todo.pop()
        found = next((braces for braces in _BRACES.finditer(one) if "," in braces[1]), None)
        if found is None:
            done.append(one)
        else:
            todo += [one[: found.start()] + part + one[found.end() :] for part in found[1].split(",")]
    return done + todo


def join_folder(cwd: str | None, folder: str) -> str | None:
    """Where `cd folder` leads; None where that is not known."""
    if UNKNOWN in folder or SELF in folder or len(folder) > MAX_VALUE_CHARS:
        return None
    if folder.startswith(("/", HOME)):
        return folder
    joined = f"{cwd}/{folder}" if cwd is not None else None
    return joined if joined is not None and len(joined) <= MAX_VALUE_CHARS else None


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


def _unescape(found: re.Match[str]) -> str:
    if found[1] or found[2]:
        return chr(int(found[1] or found[2], 16))
    if found[3]:
        return chr(int(found[3], 8) & 0xFF)
    return _ESCAPES.get(found[4], found[4])
