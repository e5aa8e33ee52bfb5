"""A Node project: which tool installs it, what it builds, and how it starts. Pure."""

import re
from dataclasses import replace
from typing import Any

from draas.build.recipe import NodeRecipe, NotRecognised, Start
from draas.build.source import Source, json_of, procfile_web, table

VERSION = "22"  # long-term support until 2027-04
PORT = 3000
# Tools that make static files, and the folder they put them in. Their `start` is a server for developing.
_STATIC = {"react-scripts": "build", "vite": "dist", "@vue/cli-service": "dist", "astro": "dist", "parcel": "dist"}
_DEVELOPING = re.compile(
    r"\b(?:react-scripts start|vue-cli-service serve|vite(?! build)|astro (?:dev|preview)|parcel)\b"
)
_MAIN = ("server.js", "index.js", "app.js", "main.js", "server.mjs", "index.mjs")


def detect_node(source: Source) -> NodeRecipe | None:
    """The recipe, None where there is no package.json. Raises NotRecognised where it is not told how it starts."""
    if not source.has("package.json"):
        return None
    package = json_of(source, "package.json")
    scripts = {name: text for name, text in table(package, "scripts").items() if isinstance(text, str)}
    manifests, install, run, prune, why = _installing(source, package)
    build = (f"{run} build",) if "build" in scripts else ()
    recipe = NodeRecipe(version=_version(source, package), manifests=manifests, install=install, build=build, port=PORT)
    from_line = procfile_web(source)
    if output := _output(package, scripts) if not from_line else "":
        because = (why, f"static files that `{run} build` makes in {output}")
        return replace(recipe, output=output, port=8080, because=because)
    start, because_start = _start(source, package, scripts, from_line)
    return replace(recipe, start=start, prune=prune if build else "", because=(why, because_start))


def _installing(source: Source, package: dict[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...], str, str, str]:
    """Manifests, the commands that install, how a script is run, how what only building needs is removed, and why."""
    extra = tuple(name for name in (".npmrc", ".yarnrc.yml", "pnpm-workspace.yaml") if source.has(name))
    if source.has("pnpm-lock.yaml"):
        manifests = ("package.json", "pnpm-lock.yaml", *extra)
        return (
            manifests,
            ("corepack enable", "pnpm install --frozen-lockfile"),
            "pnpm run",
            "pnpm prune --prod",
            "pnpm-lock.yaml",
        )
    if source.has("yarn.lock"):
        modern = source.has(".yarnrc.yml") or re.match(r"yarn@[2-9]", str(package.get("packageManager", "")))
        step = "yarn install --immutable" if modern else "yarn install --frozen-lockfile"
        manifests = ("package.json", "yarn.lock", *extra)
        return manifests, ("corepack enable", step) if modern else (step,), "yarn run", "", "yarn.lock"
    for lock in ("package-lock.json", "npm-shrinkwrap.json"):
        if source.has(lock):
            return ("package.json", lock, *extra), ("npm ci",), "npm run", "npm prune --omit=dev", lock
    return ("package.json", *extra), ("npm install",), "npm run", "npm prune --omit=dev", "package.json (no lock file)"


def _output(package: dict[str, Any], scripts: dict[str, str]) -> str:
    """The folder of static files that the build makes, "" where it is a server that is built."""
    needs = table(package, "dependencies").keys() | table(package, "devDependencies").keys()
    start = scripts.get("start", "")
    if "build" not in scripts or (start and not _DEVELOPING.search(start)):
        return ""
    return next((folder for tool, folder in _STATIC.items() if tool in needs), "")


def _start(source: Source, package: dict[str, Any], scripts: dict[str, str], line: str | None) -> tuple[Start, str]:
    if line:
        return line, "Procfile web:"
    if "start" in scripts:
        return ("npm", "start"), "scripts.start of package.json"
    main = package.get("main")
    for path in (*([main.removeprefix("./")] if isinstance(main, str) else []), *_MAIN):
        if source.has(path):
            return ("node", path), path
    raise NotRecognised(
        "this is a Node project, and nothing says how it starts: add a start script to package.json",
        ("scripts.start in package.json", "Procfile with a line web: COMMAND", "main in package.json", *_MAIN[:3]),
    )


def _version(source: Source, package: dict[str, Any]) -> str:
    """The major version that is asked for, else that of long-term support."""
    for path in (".nvmrc", ".node-version"):
        if found := re.match(r"v?([0-9]{1,2})\b", source.text(path).strip()):
            return found[1]
    asked = str(table(package, "engines").get("node", ""))
    if found := re.match(r"\s*(>=|>|\^|~|=)?\s*v?([0-9]{1,2})\b", asked):
        return found[2] if found[1] not in (">=", ">") else str(max(int(found[2]), int(VERSION)))
    return VERSION
