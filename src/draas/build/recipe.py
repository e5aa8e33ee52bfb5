"""A recipe: what was recognised in a source folder, and all that its Dockerfile needs. Pure."""

from dataclasses import dataclass
from typing import Literal

from draas.model.errors import Invalid

Base = Literal["python", "node", "go", "go-run", "static"]
Start = str | tuple[str, ...]  # a line for sh -c, or the words themselves

# The official images by what they are called; {version} is filled in. A cluster that cannot pull them sets others.
BASES: dict[Base, str] = {
    "python": "python:{version}-slim",
    "node": "node:{version}-slim",
    "go": "golang:{version}",
    "go-run": "alpine:3",
    "static": "nginx:alpine",
}


class NotRecognised(Invalid):
    """Nothing that can be built was found, or not how to start it; `looked_for` lists what would have done."""

    def __init__(self, detail: str, looked_for: tuple[str, ...] = ()) -> None:
        super().__init__(detail)
        self.looked_for = looked_for


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnDockerfile:
    """The project's own. `folder` is what it is built from ("" is the root); `port` where it says EXPOSE."""

    path: str
    folder: str = ""
    port: int | None = None
    because: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonRecipe:
    """`install` runs where only `manifests` are there, `install_project` with all the source; `path` goes before PATH."""

    version: str
    manifests: tuple[str, ...]
    install: tuple[str, ...]
    install_project: tuple[str, ...] = ()
    path: str = ""
    start: Start
    port: int = 8000
    folder: str = ""
    because: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRecipe:
    """`output`: the folder of static files that `build` makes; then nginx serves these, and there is no `start`."""

    version: str
    manifests: tuple[str, ...]
    install: tuple[str, ...]
    build: tuple[str, ...] = ()
    prune: str = ""
    output: str = ""
    start: Start = ()
    port: int = 3000
    folder: str = ""
    because: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GoRecipe:
    """`package` is what is built, relative to the module: ".", "./cmd/shop"."""

    version: str
    manifests: tuple[str, ...]
    package: str = "."
    start: Start = ("/app/server",)
    port: int = 8080
    folder: str = ""
    because: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticRecipe:
    """Files served as they are; `site` is where they are, relative to `folder` ("." is all of it)."""

    site: str = "."
    port: int = 8080
    folder: str = ""
    because: tuple[str, ...] = ()


Recipe = OwnDockerfile | PythonRecipe | NodeRecipe | GoRecipe | StaticRecipe

# What each is called where people see it.
KINDS: dict[type[Recipe], str] = {
    OwnDockerfile: "Dockerfile",
    PythonRecipe: "Python",
    NodeRecipe: "Node",
    GoRecipe: "Go",
    StaticRecipe: "static site",
}
