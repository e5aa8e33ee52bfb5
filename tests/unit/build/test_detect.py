"""Realistic trees: what each is recognised as and how it starts, and what a refusal says."""

import json
import re
from typing import Any

import pytest

from draas.build.detect import detect
from draas.build.dockerfile import render_dockerfile
from draas.build.recipe import NotRecognised, OwnDockerfile, Recipe
from draas.build.source import Source, files_to_read
from draas.model.errors import Invalid

GUNICORN = ["gunicorn", "--bind", "0.0.0.0:8000"]
UVICORN = ["uvicorn", "--host", "0.0.0.0", "--port", "8000"]
FLASK = "from flask import Flask\napp = Flask(__name__)\n"
FASTAPI = "import fastapi\n\napi: fastapi.FastAPI = fastapi.FastAPI(title='x')\n"


def recipe_of(files: dict[str, str]) -> Recipe:
    names = frozenset(files)
    return detect(Source(files=names, texts={path: files[path] for path in files_to_read(names)}))


def package(**fields: Any) -> str:
    return json.dumps(fields)


# name > tree, kind, the command (CMD), lines that the Dockerfile has in this order
TREES: dict[str, tuple[dict[str, str], str, list[str], list[str]]] = {
    "flask": (
        {"requirements.txt": "Flask==3.0\n", "app.py": FLASK, "tests/test_app.py": FLASK},
        "PythonRecipe",
        [*GUNICORN, "app:app"],
        ["FROM python:3.13-slim", "COPY requirements.txt ./", "RUN pip install --no-cache-dir -r requirements.txt", "RUN pip install --no-cache-dir gunicorn", "COPY --chown=10001:10001 . .", "USER 10001:10001", "EXPOSE 8000"],
    ),
    "flask factory, gunicorn there": (
        {"requirements.txt": "flask\ngunicorn\n", "shop/__init__.py": "from flask import Flask\n\n\ndef create_app():\n    return Flask('x')\n"},
        "PythonRecipe",
        [*GUNICORN, "shop:create_app()"],
        ["RUN pip install --no-cache-dir -r requirements.txt", "COPY --chown=10001:10001 . ."],
    ),
    "django": (
        {"requirements.txt": "Django>=5\n", "manage.py": "", "shop/wsgi.py": "", "shop/settings.py": ""},
        "PythonRecipe",
        [*GUNICORN, "shop.wsgi:application"],
        ["RUN pip install --no-cache-dir gunicorn"],
    ),
    "fastapi by uv": (
        {"pyproject.toml": '[project]\nname="x"\nrequires-python=">=3.14"\ndependencies=["fastapi[standard]"]\n', "uv.lock": "", "src/shop/main.py": FASTAPI},
        "PythonRecipe",
        [*UVICORN, "shop.main:api"],
        ["FROM python:3.14-slim", 'ENV PATH="/app/.venv/bin:$PATH"', "COPY pyproject.toml uv.lock ./", "RUN pip install --no-cache-dir uv", "RUN uv sync --frozen --no-dev --no-install-project", "COPY --chown=10001:10001 . ."],
    ),
    "pyproject with dependencies": (
        {"pyproject.toml": '[build-system]\nrequires=["hatchling"]\n[project]\nname="x"\nrequires-python=">=3.10,<3.13"\ndependencies=["fastapi>=0.1", "x; python_version<\'4\'"]\n', "main.py": FASTAPI},
        "PythonRecipe",
        [*UVICORN, "main:api"],
        ["FROM python:3.12-slim", "RUN pip install --no-cache-dir 'fastapi>=0.1' 'x; python_version<'\"'\"'4'\"'\"''", "RUN pip install --no-cache-dir uvicorn", "COPY --chown=10001:10001 . .", "RUN pip install --no-cache-dir --no-deps ."],
    ),
    "a script of pyproject": (
        {"pyproject.toml": '[build-system]\nrequires=["x"]\n[project]\nname="x"\ndynamic=["dependencies"]\n[project.scripts]\nserve="x:main"\n', "x/__init__.py": ""},
        "PythonRecipe",
        ["serve"],
        ["COPY --chown=10001:10001 . .", "RUN pip install --no-cache-dir ."],
    ),
    "requirements that include": (
        {"requirements.txt": "-r deps/base.txt\n-c constraints.txt\n", "deps/base.txt": "flask", "constraints.txt": "", "main.py": "", ".python-version": "3.11.4\n"},
        "PythonRecipe",
        ["python", "main.py"],
        ["FROM python:3.11-slim", "COPY requirements.txt constraints.txt ./", "COPY deps/base.txt ./deps/", "RUN pip install --no-cache-dir -r requirements.txt", "COPY --chown=10001:10001 . ."],
    ),
    "requirements with the project itself": (
        {"requirements.txt": "-e .\n", "setup.py": "", "main.py": ""},
        "PythonRecipe",
        ["python", "main.py"],
        ["COPY --chown=10001:10001 . .", "RUN pip install --no-cache-dir -r requirements.txt"],
    ),
    "procfile": (
        {"requirements.txt": "x\n", "Procfile": "worker: celery\nweb: gunicorn a:b --bind :$PORT \"q\"\n", "app.py": FLASK},
        "PythonRecipe",
        ["sh", "-c", 'gunicorn a:b --bind :$PORT "q"'],
        [],
    ),
    "node": (
        {"package.json": package(scripts={"start": "node server.js"}, engines={"node": ">=18"}), "package-lock.json": "{}", "server.js": ""},
        "NodeRecipe",
        ["npm", "start"],
        ["FROM node:22-slim", "COPY package.json package-lock.json ./", "RUN npm ci", "COPY --chown=10001:10001 . .", "ENV NODE_ENV=production", "USER 10001:10001", "EXPOSE 3000"],
    ),
    "next by pnpm": (
        {"package.json": package(scripts={"build": "next build", "start": "next start"}), "pnpm-lock.yaml": "", ".nvmrc": "v20\n"},
        "NodeRecipe",
        ["npm", "start"],
        ["FROM node:20-slim", "COPY package.json pnpm-lock.yaml ./", "RUN corepack enable", "RUN pnpm install --frozen-lockfile", "COPY --chown=10001:10001 . .", "RUN pnpm run build", "RUN pnpm prune --prod"],
    ),
    "yarn 4, main": (
        {"package.json": package(main="./lib/x.js", packageManager="yarn@4.1.0"), "yarn.lock": "", ".yarnrc.yml": "", "lib/x.js": ""},
        "NodeRecipe",
        ["node", "lib/x.js"],
        ["COPY package.json yarn.lock .yarnrc.yml ./", "RUN corepack enable", "RUN yarn install --immutable"],
    ),
    "no lock file, index.js": ({"package.json": "{}", "index.js": ""}, "NodeRecipe", ["node", "index.js"], ["COPY package.json ./", "RUN npm install"]),
    "node procfile": ({"package.json": "{}", "Procfile": "web: node x.js"}, "NodeRecipe", ["sh", "-c", "node x.js"], []),
    "vite": (
        {"package.json": package(scripts={"dev": "vite", "build": "vite build"}, devDependencies={"vite": "6"}), "package-lock.json": "{}", "index.html": ""},
        "NodeRecipe",
        [],
        ["FROM node:22-slim AS build", "RUN npm ci", "COPY . .", "RUN npm run build", "FROM nginx:alpine", "USER 10001:10001", "EXPOSE 8080", "COPY --from=build /app/dist/ /usr/share/nginx/html/"],
    ),
    "create-react-app": (
        {"package.json": package(scripts={"start": "react-scripts start", "build": "react-scripts build"}, dependencies={"react-scripts": "5"}), "yarn.lock": ""},
        "NodeRecipe",
        [],
        ["RUN yarn install --frozen-lockfile", "RUN yarn run build", "COPY --from=build /app/build/ /usr/share/nginx/html/"],
    ),
    "go": (
        {"go.mod": "module x\n\ngo 1.99\n", "go.sum": "", "main.go": "", "main_test.go": ""},
        "GoRecipe",
        ["/app/server"],
        ["FROM golang:1.99 AS build", "COPY go.mod go.sum ./", "RUN go mod download", "COPY . .", "RUN CGO_ENABLED=0 go build -o /server .", "FROM alpine:3", "USER 10001:10001", "EXPOSE 8080"],
    ),
    "go in cmd": ({"go.mod": "module x\ngo 1.20\n", "cmd/shop/main.go": "", "lib/a.go": ""}, "GoRecipe", ["/app/server"], ["FROM golang:1.25 AS build", "COPY go.mod ./", "RUN CGO_ENABLED=0 go build -o /server ./cmd/shop"]),
    "static": (
        {"index.html": "", "style.css": ""},
        "StaticRecipe",
        [],
        ["FROM nginx:alpine AS site", "COPY . /site/", "FROM nginx:alpine", "USER 10001:10001", "EXPOSE 8080", "COPY --from=site /site/ /usr/share/nginx/html/"],
    ),
    "static in public": ({"public/index.html": "", "README.md": ""}, "StaticRecipe", [], ["COPY public /site/"]),
}  # fmt: skip


@pytest.mark.parametrize("case", TREES)
def test_what_a_tree_is(case: str) -> None:
    files, kind, command, lines = TREES[case]
    recipe = recipe_of(files)
    text = render_dockerfile(recipe)
    assert type(recipe).__name__ == kind
    made = [line for line in text.splitlines() if line.startswith("CMD ")]
    assert [json.loads(line.removeprefix("CMD ")) for line in made] == ([command] if command else [])
    left = iter(text.splitlines())
    missing = [line for line in lines if line not in left]
    assert not missing, f"{missing} is missing, or not in this order, in:\n{text}"
    assert "\nUSER 10001:10001\n" in text


@pytest.mark.parametrize(
    "case", [case for case in TREES if case not in ("requirements with the project itself", "a script of pyproject")]
)
def test_dependencies_are_installed_before_the_source_is_copied(case: str) -> None:
    text = render_dockerfile(recipe_of(TREES[case][0]))
    source = re.search(r"^COPY (--chown=\S+ )?\S+ (\.|/site/)$", text, re.MULTILINE)
    assert source
    assert not re.search(
        r"-r requirements.txt|npm ci|npm install|pnpm install|yarn install|mod download|no-install-project",
        text[source.end() :],
    )


def test_a_changed_source_line_changes_no_dockerfile() -> None:
    for files, *_ in TREES.values():
        more = {path: text + "\n# more\n" if path.endswith(".py") else text for path, text in files.items()}
        assert render_dockerfile(recipe_of(more)) == render_dockerfile(recipe_of(files))


@pytest.mark.parametrize(
    ("files", "path", "folder", "port"),
    [
        ({"Dockerfile": "FROM x\nEXPOSE 9000/tcp\n", "package.json": "{}"}, "Dockerfile", "", 9000),
        ({"Dockerfile": "FROM x\n"}, "Dockerfile", "", None),
        (
            {"web/Dockerfile": "FROM x\nCOPY app.js .\n", "web/app.js": "", "README.md": ""},
            "web/Dockerfile",
            "web",
            None,
        ),
        (
            {"docker/Dockerfile": "FROM x\nCOPY --chown=1 src/ /src/\nexpose 80\n", "src/a": ""},
            "docker/Dockerfile",
            "",
            80,
        ),
        ({"web/Dockerfile": "FROM x\n"}, "web/Dockerfile", "web", None),
        ({"shop-main/Dockerfile": "FROM x\n", "shop-main/a": ""}, "shop-main/Dockerfile", "shop-main", None),
        ({".devcontainer/Dockerfile": "", "x/Dockerfile": "FROM x"}, "x/Dockerfile", "x", None),
    ],
)
def test_its_own_dockerfile(files: dict[str, str], path: str, folder: str, port: int | None) -> None:
    recipe = recipe_of(files)
    assert isinstance(recipe, OwnDockerfile)
    assert (recipe.path, recipe.folder, recipe.port) == (path, folder, port)
    assert render_dockerfile(recipe) == ""


def test_an_archive_with_one_folder_is_that_folder() -> None:
    recipe = recipe_of({"shop-main/requirements.txt": "flask", "shop-main/app.py": FLASK})
    assert recipe.folder == "shop-main"
    assert "COPY requirements.txt ./" in render_dockerfile(recipe)


@pytest.mark.parametrize(
    ("files", "says", "looked_for"),
    [
        ({"README.md": ""}, "nothing that can be built was recognised: add a Dockerfile", "package.json (Node)"),
        ({}, "nothing that can be built", "go.mod (Go)"),
        (
            {"a/Dockerfile": "FROM a", "b/Dockerfile": "FROM b", "x": ""},
            r"several .*\(a/Dockerfile, b/Dockerfile\): name the folder",
            "",
        ),
        (
            {"requirements.txt": "numpy", "lib/x.py": ""},
            "Python project, and nothing says how it starts: add a Procfile",
            "manage.py",
        ),
        ({"package.json": "{}"}, "Node project, and nothing says how it starts: add a start script", "scripts.start"),
        ({"package.json": "{"}, r"package.json is not valid JSON .*: correct it", ""),
        ({"package.json": "[]"}, "package.json is no JSON object", ""),
        ({"pyproject.toml": "["}, r"pyproject.toml is not valid TOML .*: correct it", ""),
        ({"go.mod": "", "x.txt": ""}, "Go module without a program: add main.go", "cmd/*/main.go"),
        ({"go.mod": "", "cmd/a/main.go": "", "cmd/b/main.go": ""}, r"several programs \(cmd/a, cmd/b\)", ""),
    ],
)
def test_what_is_refused(files: dict[str, str], says: str, looked_for: str) -> None:
    with pytest.raises(NotRecognised, match=says) as caught:
        recipe_of(files)
    assert any(looked_for in item for item in caught.value.looked_for) or not looked_for


def test_odd_shapes_in_manifests_are_no_crash() -> None:
    odd = package(scripts=[1], engines="x", main=3, dependencies=None, packageManager=7)
    assert recipe_of({"package.json": odd, "index.js": ""})
    odd = '[project]\nname="x"\ndependencies=3\nrequires-python=4\n[tool]\npoetry=2\n'
    assert recipe_of({"pyproject.toml": odd, "main.py": ""})


def test_other_bases() -> None:
    recipe = recipe_of({"requirements.txt": "", "main.py": ""})
    assert "FROM registry.example/py:3.13\n" in render_dockerfile(recipe, {"python": "registry.example/py:{version}"})
    with pytest.raises(Invalid, match="the base image for python"):
        render_dockerfile(recipe, {"python": "a b"})


def test_nothing_breaks_out_of_a_line() -> None:
    recipe = recipe_of({"package.json": package(main="a\nRUN evil.js"), "a\nRUN evil.js": ""})
    with pytest.raises(Invalid, match="no Dockerfile can"):
        render_dockerfile(recipe)
