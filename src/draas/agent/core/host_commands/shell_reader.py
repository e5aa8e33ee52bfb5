"""Reads a shell script into the simple commands that it would run, without running any of it. Pure, and linear in the script's length.

Not a shell: what only the machine knows (files, most variables, what programs print) is UNKNOWN, both branches of a condition count as run, and
a loop's variable has all its values at once. Source: POSIX.1-2017, XCU chapter 2, with what bash adds to it.
"""

import re
from dataclasses import dataclass, field

from draas.agent.core.host_commands.shell_output import printed
from draas.agent.core.host_commands.shell_scope import Scope, join_folder
from draas.agent.core.host_commands.shell_words import ESCAPE, HOME, SELF, UNKNOWN, Building, unescape
from draas.agent.core.host_commands.simple_command import Simple

MAX_DEPTH = 24  # scripts in scripts: honest ones stay below 5

_PLAIN = re.compile(r"[^\s'\"\\$`;&|()<>]+", re.ASCII)
_SIMPLE_WORD = re.compile(r"[^\s'\"\\$`;&|()<>~{][^\s'\"\\$`;&|()<>{]*(?=[\s;&|)]|$)", re.ASCII)  # nearly all of them
_QUOTED_PLAIN = re.compile(r'[^"\\$`]+')
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:\[[^\]\s]{0,64}\])?\+?=")
_PARAMETER = re.compile(r"([A-Za-z_][A-Za-z0-9_]*|[0-9]+|[@*#?!$-])(:?[-=?+])?")
_REDIRECTION = re.compile(r"(?:\d{1,3}|&)?(<<<|<<-?|<>|<&|>&|>>|>\||>|<)")
_EMPTY_PARENTHESES = re.compile(r"\([ \t]*\)")
_OPERATOR = re.compile(r"&&|\|\||\|&|;;&|;;|;&|[;&|\n]")
_KEYWORDS = frozenset(
    ["if", "then", "else", "elif", "fi", "while", "until", "do", "done", "!", "time", "coproc", "esac", "in"]
)


class TooDeep(Exception):
    """The script nests further than honest ones do."""


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
        building = Building(splits)
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

    def _double_quoted(self, building: "Building") -> None:
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
        return ESCAPE.sub(unescape, found[1])
