"""A Go module, and which of its packages is the program. Pure."""

import re

from draas.build.recipe import GoRecipe, NotRecognised
from draas.build.source import Source, procfile_web

VERSION = "1.25"


def detect_go(source: Source) -> GoRecipe | None:
    """The recipe, None where there is no go.mod. Raises NotRecognised where no program, or more than one, is there."""
    if not source.has("go.mod"):
        return None
    package = _package(source)
    manifests = ("go.mod", "go.sum") if source.has("go.sum") else ("go.mod",)
    because = ("go.mod", f"the program in {package}")
    version = _version(source)
    if line := procfile_web(source):
        return GoRecipe(
            version=version, manifests=manifests, package=package, start=line, because=(*because, "Procfile web:")
        )
    return GoRecipe(version=version, manifests=manifests, package=package, because=because)


def _package(source: Source) -> str:
    if any("/" not in path and path.endswith(".go") and not path.endswith("_test.go") for path in source.files):
        return "."
    found = sorted(path.rpartition("/")[0] for path in source.files if re.fullmatch(r"(?:cmd/)?[\w-]+/main\.go", path))
    if len(found) == 1:
        return f"./{found[0]}"
    if not found:
        raise NotRecognised(
            "this is a Go module without a program: add main.go", ("*.go", "cmd/*/main.go", "*/main.go")
        )
    told = ", ".join(found)
    raise NotRecognised(f"this Go module has several programs ({told}): add a Dockerfile that builds the one to run")


def _version(source: Source) -> str:
    found = re.search(r"^go\s+1\.([0-9]{1,3})", source.text("go.mod"), re.MULTILINE)
    return f"1.{max(int(found[1]), int(VERSION.partition('.')[2]))}" if found else VERSION
