"""draas.yaml: the apps in a file, and on which line each field stands. Pure; raises click.UsageError naming file and line.

YAML as people expect it: only true and false are true and false, `off` and `12:30` are text, nothing is run or repeated by
reference, a name that stands twice is an error. What must be text in the end (env, labels, the words of a command) is taken as written.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import click
import yaml

MAX_BYTES = 4 * 1024 * 1024
_AS_WRITTEN = re.compile(r"(env|labels|build\.args)\.[^.]*|(command|release_command|health\.exec)\[[0-9]+\]")
_PREFIX = "tag:yaml.org,2002:"


class _Loader(yaml.SafeLoader):
    """YAML 1.2's core schema: PyYAML's own reads 1.1, where `off` is false and 12:30 is 750."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - as in yaml.SafeLoader


for _tag, _shape, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?(0|[1-9][0-9]*)", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("null", r"~|null|Null|NULL|", "~nN\0"),
):
    _firsts = [first if first != "\0" else "" for first in _first]
    _Loader.add_implicit_resolver(f"{_PREFIX}{_tag}", re.compile(rf"^(?:{_shape})$"), _firsts)


@dataclass(frozen=True, slots=True, kw_only=True)
class AppInFile:
    """One app; `lines` says where each path of `fields` stands, "" where it begins."""

    name: str
    fields: Mapping[str, Any]
    lines: Mapping[str, int]

    def line_of(self, path: str) -> int:
        """Of the field, or of what it stands in."""
        while path and path not in self.lines:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self.lines[path]


def read_apps(text: str, file: str) -> list[AppInFile]:
    """The apps of one document, a list, or several documents. Raises click.UsageError."""
    if len(text) > MAX_BYTES:
        raise click.UsageError(f"{file} is larger than {MAX_BYTES // 1024 // 1024} MiB")
    try:
        apps = [_app(node, file) for node in _nodes(text, file)]
    except RecursionError:
        raise click.UsageError(f"{file} is nested too deeply") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f" line {mark.line + 1}" if mark is not None else ""
        raise click.UsageError(f"{file}{where}: {error.problem or error.context or 'this is no YAML'}") from None
    except yaml.YAMLError as error:
        raise click.UsageError(f"{file} is no YAML: {error}") from None
    if not apps:
        raise click.UsageError(f"{file} has no apps")
    for at, app in enumerate(apps):
        if app.name in {other.name for other in apps[:at]}:
            raise click.UsageError(f"{file} line {app.line_of('app')}: the app {app.name} stands there twice")
    return apps


def _nodes(text: str, file: str) -> Iterator[yaml.Node]:
    for document in yaml.compose_all(text, _Loader):
        if isinstance(document, yaml.SequenceNode):
            yield from document.value
        elif document is not None and not (isinstance(document, yaml.ScalarNode) and document.value == ""):
            yield document


def _app(node: yaml.Node, file: str) -> AppInFile:
    if not isinstance(node, yaml.MappingNode):
        raise click.UsageError(f"{file} line {_line(node)}: an app is fields such as app: shop and image: nginx:1.25")
    lines: dict[str, int] = {}
    fields = _Reading(file, lines).value(node, "")
    name = fields.get("app")
    if not isinstance(name, str) or not name:
        raise click.UsageError(
            f"{file} line {lines.get('app', lines[''])}: app must be the app's name, for example app: shop"
        )
    return AppInFile(name=name, fields=fields, lines=lines)


class _Reading:
    """Values out of nodes, noting their lines."""

    def __init__(self, file: str, lines: dict[str, int]) -> None:
        self._file = file
        self._lines = lines
        self._seen: set[int] = set()

    def value(self, node: yaml.Node, path: str) -> Any:
        self._lines.setdefault(path, _line(node))
        if id(node) in self._seen:
            raise self._wrong(node, path, "refers to an anchor: write it out")
        self._seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            self._check_tag(node, path, ("map",))
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            self._check_tag(node, path, ("seq",))
            return [self.value(item, f"{path}[{at}]") for at, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise self._wrong(key, path, "has a name that is no text")
            inner = f"{path}.{key.value}" if path else str(key.value)
            if key.value in found:
                raise self._wrong(key, inner, f"stands there twice, first on line {self._lines[inner]}")
            self._lines[inner] = _line(key)
            found[key.value] = self.value(value, inner)
        return found

    def _scalar(self, node: yaml.Node, path: str) -> Any:
        self._check_tag(node, path, ("str", "int", "float", "bool", "null"))
        text = str(node.value)
        if _AS_WRITTEN.fullmatch(path):
            return text
        match node.tag.removeprefix(_PREFIX):
            case "int":
                return int(text)
            case "float":
                return float(text)
            case "bool":
                return text.lower() == "true"
            case "null":
                return None
            case _:
                return text

    def _check_tag(self, node: yaml.Node, path: str, known: tuple[str, ...]) -> None:
        if node.tag.removeprefix(_PREFIX) not in known or not node.tag.startswith(_PREFIX):
            raise self._wrong(node, path, f"has the tag {node.tag}, which means nothing here")

    def _wrong(self, node: yaml.Node, path: str, told: str) -> click.UsageError:
        return click.UsageError(f"{self._file} line {_line(node)}: {path or 'the app'} {told}")


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
