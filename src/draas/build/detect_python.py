"""A Python project: its dependencies, its version, and how it starts. Pure."""

import re
import shlex
from collections.abc import Iterable
from typing import Any

from draas.build.recipe import NotRecognised, PythonRecipe, Start
from draas.build.source import Source, procfile_web, table, toml_of

VERSION = "3.13"
PORT = 8000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_VERSION = re.compile(r"3\.[0-9]{1,2}")
_AT_LEAST = re.compile(r"(?:>=|~=|==|\^)\s*(3\.[0-9]{1,2})")
_INCLUDED = re.compile(r"^\s*(?:-r|--requirement|-c|--constraint)[ =]?\s*(\S+)", re.MULTILINE)
_LOCAL = re.compile(r"^\s*(?:-e\s|--editable|\.|file:|[^#\s]+\s*@\s*file:)", re.MULTILINE)
_ASSIGNED = r"^([A-Za-z_]\w*)\s*(?::[^=\n]+)?=\s*(?:\w+\.)?{kind}\("
_FACTORY = re.compile(r"^def (create_app|make_app)\(", re.MULTILINE)
_MAIN = ("main.py", "app.py", "server.py", "run.py", "bot.py", "__main__.py")
_NO_START = (
    "Procfile with a line web: COMMAND",
    "manage.py and */wsgi.py (Django)",
    "NAME = FastAPI(…) or NAME = Flask(…) in a .py file",
    "main.py, app.py, server.py or run.py",
    "one command in [project.scripts] of pyproject.toml",
)


def detect_python(source: Source) -> PythonRecipe | None:
    """The recipe, None where this is no Python project. Raises NotRecognised where it is not told how it starts."""
    project = toml_of(source, "pyproject.toml")
    is_project = bool(table(project, "project") or table(project, "tool", "poetry"))
    if not (source.has("requirements.txt") or source.has("uv.lock") or is_project):
        return None
    needs = dependencies(source, project)
    start, lacking, because = _start(source, project, needs)
    manifests, install, install_project, path, how = _install(source, project, lacking)
    return PythonRecipe(
        version=_version(source, project),
        manifests=manifests,
        install=install,
        install_project=install_project,
        path=path,
        start=start,
        port=PORT,
        because=(how, because),
    )


def dependencies(source: Source, project: dict[str, Any]) -> frozenset[str]:
    """The names of what it depends on, lower case with dashes; `fastapi[standard]` is also there as such."""
    listed: list[str] = source.text("requirements.txt").splitlines()
    listed += [line for path in _included(source) for line in source.text(path).splitlines()]
    listed += _strings(table(project, "project").get("dependencies"))
    listed += table(project, "tool", "poetry", "dependencies")
    found = set()
    for line in listed:
        if name := _NAME.match(line.strip()):
            found.add(re.sub(r"[-_.]+", "-", name[0]).lower())
            if line.strip()[name.end() :].startswith("[standard]"):
                found.add(f"{name[0].lower()}[standard]")
    return frozenset(found)


def _included(source: Source) -> list[str]:
    """The files that requirements.txt includes, and that are there."""
    return [path for path in _INCLUDED.findall(source.text("requirements.txt")) if source.has(path)]


def _install(
    source: Source, project: dict[str, Any], lacking: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], str, str]:
    """Manifests, what installs from them alone, what needs the source, what goes on PATH, and why."""
    pip = "pip install --no-cache-dir"
    more = (f"{pip} {shlex.join(lacking)}",) if lacking else ()
    packaged = "build-system" in project
    if source.has("uv.lock") and source.has("pyproject.toml"):
        sync = "uv sync --frozen --no-dev"
        into = (f"uv pip install {shlex.join(lacking)}",) if lacking else ()
        steps = (f"{pip} uv", f"{sync} --no-install-project")
        return (
            ("pyproject.toml", "uv.lock"),
            steps if packaged else (*steps, *into),
            (f"{sync} --no-editable", *into) if packaged else (),
            "/app/.venv/bin",
            "uv.lock",
        )
    if source.has("requirements.txt"):
        step = f"{pip} -r requirements.txt"
        manifests = ("requirements.txt", *_included(source))
        if any(_LOCAL.search(source.text(path)) for path in manifests):
            return (), (), (step, *more), "", "requirements.txt (with packages of the project itself)"
        return manifests, (step, *more), (), "", "requirements.txt"
    listed = _strings(table(project, "project").get("dependencies"))
    dynamic = "dependencies" in _strings(table(project, "project").get("dynamic"))
    if dynamic or not table(project, "project"):
        return (), (), (f"{pip} .", *more), "", "pyproject.toml"
    first = (f"{pip} {shlex.join(listed)}",) if listed else ()
    own = (f"{pip} --no-deps .",) if packaged else ()
    return (), (*first, *more), own, "", "pyproject.toml"


def _start(source: Source, project: dict[str, Any], needs: frozenset[str]) -> tuple[Start, tuple[str, ...], str]:
    """The command, the packages that it needs and that are not depended on, and why."""
    if line := procfile_web(source):
        return line, (), "Procfile web:"
    if found := _django(source, needs) or _framework(source, needs):
        return found
    for path in _MAIN:
        if source.has(path):
            return ("python", path), (), path
    scripts = sorted(table(project, "project", "scripts"))
    if len(scripts) == 1:
        return (scripts[0],), (), f"the command {scripts[0]} of pyproject.toml"
    raise NotRecognised(
        "this is a Python project, and nothing says how it starts: add a Procfile with a line `web: COMMAND`", _NO_START
    )


def _django(source: Source, needs: frozenset[str]) -> tuple[Start, tuple[str, ...], str] | None:
    modules = sorted(path[:-3].replace("/", ".") for path in source.files if re.fullmatch(r"\w+/wsgi\.py", path))
    if not source.has("manage.py") or not modules:
        return None
    lacking = () if "gunicorn" in needs else ("gunicorn",)
    return ("gunicorn", "--bind", f"0.0.0.0:{PORT}", f"{modules[0]}:application"), lacking, "manage.py (Django)"


def _framework(source: Source, needs: frozenset[str]) -> tuple[Start, tuple[str, ...], str] | None:
    """FastAPI and Starlette by uvicorn, Flask by gunicorn; the object with the likeliest name, nearest to the root."""
    for kind, package in (("FastAPI", "fastapi"), ("Starlette", "starlette"), ("Flask", "flask")):
        if package in needs and (found := _object(source, kind)):
            path, target = found
            if kind == "Flask":
                lacking = () if "gunicorn" in needs else ("gunicorn",)
                return ("gunicorn", "--bind", f"0.0.0.0:{PORT}", target), lacking, f"Flask in {path}"
            lacking = () if needs & {"uvicorn", "fastapi[standard]"} else ("uvicorn",)
            words = ("uvicorn", "--host", "0.0.0.0", "--port", str(PORT), target)
            return words, lacking, f"{kind} in {path}"
    return None


def _object(source: Source, kind: str) -> tuple[str, str] | None:
    """Where `NAME = Kind(` stands, or for Flask a function that makes one: path and `module:NAME`."""
    assigned = re.compile(_ASSIGNED.format(kind=kind), re.MULTILINE)
    for path in sorted((path for path in source.texts if path.endswith(".py")), key=_likeliest):
        text = source.text(path)
        if _is_test(path) or not re.fullmatch(r"[\w/]+\.py", path):
            continue
        if found := assigned.search(text):
            return path, f"{_module(path)}:{found[1]}"
        if kind == "Flask" and f"{kind}(" in text and (factory := _FACTORY.search(text)):
            return path, f"{_module(path)}:{factory[1]}()"
    return None


def _likeliest(path: str) -> tuple[int, int, str]:
    names = ("wsgi.py", "asgi.py", "main.py", "app.py", "server.py", "__init__.py")
    name = path.rpartition("/")[2]
    return path.count("/"), names.index(name) if name in names else len(names), path


def _is_test(path: str) -> bool:
    return any(part in ("test", "tests") or part.startswith(("test_", "conftest")) for part in path.split("/"))


def _module(path: str) -> str:
    return path[:-3].removesuffix("/__init__").removeprefix("src/").replace("/", ".")


def _version(source: Source, project: dict[str, Any]) -> str:
    """What the project asks for, else the newest that wheels are there for."""
    for path in (".python-version", "runtime.txt"):
        if found := _VERSION.search(source.text(path)):
            return found[0]
    asked = str(table(project, "project").get("requires-python") or table(project, "tool", "poetry", "dependencies").get("python") or "")  # fmt: skip
    below = re.search(r"<\s*(3\.[0-9]{1,2})", asked)
    least = _AT_LEAST.search(asked)
    if "==" in asked and least:
        return least[1]
    if below and _minor(below[1]) <= _minor(VERSION):
        return f"3.{_minor(below[1]) - 1}"
    return least[1] if least and _minor(least[1]) > _minor(VERSION) else VERSION


def _minor(version: str) -> int:
    return int(version.partition(".")[2])


def _strings(value: Any) -> list[str]:
    listed: Iterable[Any] = value if isinstance(value, list) else ()
    return [item for item in listed if isinstance(item, str) and item.isprintable()]
