"""What a source tree is and how it is built: its own Dockerfile, else a recipe for Node, Python, Go or a static site. Pure."""

import re
from dataclasses import replace

from draas.build.detect_go import detect_go
from draas.build.detect_node import detect_node
from draas.build.detect_python import detect_python
from draas.build.recipe import NotRecognised, OwnDockerfile, Recipe, StaticRecipe
from draas.build.source import Source

LOOKED_FOR = (
    "Dockerfile, or one sub-folder with a Dockerfile",
    "package.json (Node)",
    "requirements.txt, pyproject.toml with [project], or uv.lock (Python)",
    "go.mod (Go)",
    "index.html, or public/index.html (static site)",
)
_EXPOSE = re.compile(r"^\s*EXPOSE\s+([0-9]{1,5})\b", re.MULTILINE | re.IGNORECASE)
_COPIED = re.compile(r"^\s*(?:COPY|ADD)\s+((?:--\S+\s+)*)(.+?)\s*$", re.MULTILINE | re.IGNORECASE)
_SITES = (".", "public", "dist", "site", "_site", "docs")


def detect(source: Source) -> Recipe:
    """The recipe. Raises NotRecognised, which lists what was looked for."""
    folder = only_folder(source)
    inside = source.inside(folder)
    recipe = _own(inside) or detect_node(inside) or detect_python(inside) or detect_go(inside) or _static(inside)
    if recipe is None:
        raise NotRecognised("nothing that can be built was recognised: add a Dockerfile", LOOKED_FOR)
    if not folder:
        return recipe
    below = f"{folder}/{recipe.folder}".rstrip("/")
    if isinstance(recipe, OwnDockerfile):
        return replace(recipe, folder=below, path=f"{folder}/{recipe.path}")
    return replace(recipe, folder=below)


def only_folder(source: Source) -> str:
    """The folder that everything is in, as in archives that code hosts make; "" where there is more at the root.

    A folder with a Dockerfile is left to be found as such.
    """
    tops = {path.partition("/")[0] for path in source.files}
    if len(tops) != 1 or not all("/" in path for path in source.files):
        return ""
    return tops.pop()


def _own(source: Source) -> OwnDockerfile | None:
    if _has_dockerfile(source, "Dockerfile"):
        return OwnDockerfile(path="Dockerfile", port=_port(source, "Dockerfile"), because=("Dockerfile",))
    inside = (path for path in source.files if re.fullmatch(r"[^/.][^/]*/Dockerfile", path))
    found = sorted(path for path in inside if _has_dockerfile(source, path))
    if len(found) > 1:
        told = ", ".join(found)
        raise NotRecognised(f"several sub-folders have a Dockerfile ({told}): name the folder to build")
    if not found:
        return None
    folder = _built_from(source, found[0])
    told = f"{found[0]}, built from {folder or 'the root, where what it copies is'}"
    return OwnDockerfile(path=found[0], folder=folder, port=_port(source, found[0]), because=(told,))


def _has_dockerfile(source: Source, path: str) -> bool:
    """An empty one is none: the shell makes it before it runs `draas detect --quiet >Dockerfile`. Of a link nothing was read."""
    return source.has(path) and bool(source.texts.get(path, "a link").strip())


def _built_from(source: Source, dockerfile: str) -> str:
    """Its own folder, but the root where what it copies is there and only there."""
    folder = dockerfile.rpartition("/")[0]
    copied = [
        word.removeprefix("./").rstrip("/")
        for flags, words in _COPIED.findall(source.text(dockerfile))
        if "--from" not in flags.lower() and not words.startswith("[")
        for word in words.split()[:-1]
        if not re.search(r"[*?\[$]|://", word) and word not in (".", "./")
    ]
    missing_here = any(not _is_there(source, f"{folder}/{path}") for path in copied)
    return "" if missing_here and all(_is_there(source, path) for path in copied) else folder


def _is_there(source: Source, path: str) -> bool:
    return path in source.files or any(other.startswith(f"{path}/") for other in source.files)


def _port(source: Source, dockerfile: str) -> int | None:
    found = _EXPOSE.findall(source.text(dockerfile))
    return int(found[-1]) if found and 0 < int(found[-1]) < 65536 else None


def _static(source: Source) -> StaticRecipe | None:
    for site in _SITES:
        index = "index.html" if site == "." else f"{site}/index.html"
        if source.has(index):
            return StaticRecipe(site=site, because=(index,))
    return None
