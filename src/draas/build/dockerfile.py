"""A recipe's Dockerfile: plain, as no particular user, with what changes seldom first, so that a changed source line keeps the rest. Pure."""

import json
from collections.abc import Mapping
from typing import assert_never

from draas.build.recipe import (
    BASES,
    Base,
    GoRecipe,
    NodeRecipe,
    OwnDockerfile,
    PythonRecipe,
    Recipe,
    Start,
    StaticRecipe,
)
from draas.model.errors import Invalid

MADE_BY = "# Made by DRaaS from "  # how a Dockerfile that was made begins: it may come along with its source
USER = "10001:10001"  # no user of any base image, and none of the host's
_SITE_ROOT = "/usr/share/nginx/html"


def render_dockerfile(recipe: Recipe, bases: Mapping[Base, str] = BASES) -> str:
    """The text; "" for a project with its own. `bases` may leave out what stays as it is. Raises Invalid for what no Dockerfile can hold."""
    bases = {**BASES, **bases}
    match recipe:
        case OwnDockerfile():
            return ""
        case PythonRecipe():
            lines = _python(recipe, bases)
        case NodeRecipe():
            lines = _node_site(recipe, bases) if recipe.output else _node(recipe, bases)
        case GoRecipe():
            lines = _go(recipe, bases)
        case StaticRecipe():
            lines = _static(recipe, bases)
        case _:
            assert_never(recipe)
    head = [f"{MADE_BY}{', '.join(recipe.because)}. Save it as Dockerfile to change it."]
    if wrong := next((line for line in head + lines if not line.isprintable()), ""):
        raise Invalid(f"{wrong[:80]!r} holds a character that no Dockerfile can: take it out of the project's files")
    return "\n".join(head + lines) + "\n"


def _python(recipe: PythonRecipe, bases: Mapping[Base, str]) -> list[str]:
    path = [f'ENV PATH="{recipe.path}:$PATH"'] if recipe.path else []
    return [
        f"FROM {_base(bases, 'python', recipe.version)}",
        f"ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/app PORT={recipe.port}",
        *path,
        *_work_folder(),
        *_copy(recipe.manifests),
        *_run(recipe.install),
        f"COPY --chown={USER} . .",
        *_run(recipe.install_project),
        *_end(recipe.start, recipe.port),
    ]


def _node(recipe: NodeRecipe, bases: Mapping[Base, str]) -> list[str]:
    prune = (recipe.prune,) if recipe.prune else ()
    return [
        f"FROM {_base(bases, 'node', recipe.version)}",
        f"ENV HOME=/app PORT={recipe.port}",
        *_work_folder(),
        *_copy(recipe.manifests),
        *_run(recipe.install),
        f"COPY --chown={USER} . .",
        *_run((*recipe.build, *prune)),
        "ENV NODE_ENV=production",
        *_end(recipe.start, recipe.port),
    ]


def _node_site(recipe: NodeRecipe, bases: Mapping[Base, str]) -> list[str]:
    return [
        f"FROM {_base(bases, 'node', recipe.version)} AS build",
        "WORKDIR /app",
        *_copy(recipe.manifests),
        *_run(recipe.install),
        "COPY . .",
        *_run(recipe.build),
        "",
        *_nginx(bases, recipe.port, fallback="/index.html"),
        f"COPY --from=build /app/{recipe.output}/ {_SITE_ROOT}/",
    ]


def _go(recipe: GoRecipe, bases: Mapping[Base, str]) -> list[str]:
    return [
        f"FROM {_base(bases, 'go', recipe.version)} AS build",
        "WORKDIR /src",
        *_copy(recipe.manifests),
        "RUN go mod download",
        "COPY . .",
        f"RUN CGO_ENABLED=0 go build -o /server {recipe.package}",
        "",
        f"FROM {_base(bases, 'go-run', '')}",
        f"ENV HOME=/app PORT={recipe.port}",
        *_work_folder(),
        f"COPY --chown={USER} --from=build /src .",
        "COPY --from=build /server /app/server",
        *_end(recipe.start, recipe.port),
    ]


def _static(recipe: StaticRecipe, bases: Mapping[Base, str]) -> list[str]:
    """The files get the time of the build: packed, all have one and the same, and nginx would call a changed file unchanged."""
    return [
        f"FROM {_base(bases, 'static', '')} AS site",
        f"COPY {recipe.site} /site/",
        "RUN rm -f /site/Dockerfile /site/.dockerignore /site/.gitignore && find /site -type f -exec touch {} +",
        "",
        *_nginx(bases, recipe.port, fallback="$uri.html =404"),
        f"COPY --from=site /site/ {_SITE_ROOT}/",
    ]


def _nginx(bases: Mapping[Base, str], port: int, *, fallback: str) -> list[str]:
    # Files whose name begins with a dot, .env above all, are nobody's business but for RFC 8615's.
    server = (
        f"server {{ listen {port}; root {_SITE_ROOT}; absolute_redirect off; gzip on; "
        f"location / {{ try_files $uri $uri/ {fallback}; }} "
        "location ~ /[.](?!well-known/) { return 404; } }"
    )
    return [
        f"FROM {_base(bases, 'static', '')}",
        f"RUN echo '{server}' >/etc/nginx/conf.d/default.conf \\",
        f" && rm -rf {_SITE_ROOT}/* \\",
        " && touch /run/nginx.pid \\",
        f" && chown -R {USER} /run/nginx.pid /var/cache/nginx",
        f"USER {USER}",
        f"EXPOSE {port}",
    ]


def _base(bases: Mapping[Base, str], base: Base, version: str) -> str:
    image = bases[base].replace("{version}", version)
    if not image or any(character.isspace() for character in image):
        raise Invalid(f"the base image for {base} is {image!r}: give one image such as {BASES[base]}")
    return image


def _work_folder() -> list[str]:
    """WORKDIR makes it root's, and programs keep small files where they are."""
    return ["WORKDIR /app", f"RUN chown {USER} /app"]


def _copy(manifests: tuple[str, ...]) -> list[str]:
    """Each to where it is in the source: one COPY a folder, as COPY drops folders."""
    folders: dict[str, list[str]] = {}
    for path in manifests:
        folders.setdefault(path.rpartition("/")[0], []).append(path)
    return [f"COPY {_words((*paths, f'./{folder}/' if folder else './'))}" for folder, paths in folders.items()]


def _words(words: tuple[str, ...]) -> str:
    plain = all(not character.isspace() and character not in "\"'\\$[" for word in words for character in word)
    return " ".join(words) if plain else json.dumps(words)


def _run(commands: tuple[str, ...]) -> list[str]:
    return [f"RUN {command}" for command in commands]


def _end(start: Start, port: int) -> list[str]:
    words = ["sh", "-c", start] if isinstance(start, str) else list(start)
    return [f"USER {USER}", f"EXPOSE {port}", f"CMD {json.dumps(words)}"]
