"""Writes the pages that are made from code: `python docs/generate.py`. A unit test says where that was forgotten."""

import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from draas.cli.main import main
from draas.model.allocation import ALLOCATION_TABLE
from draas.model.job import JOB_TABLE
from draas.model.node import NODE_TABLE
from draas.model.release import RELEASE_TABLE
from draas.model.state import render_mermaid
from draas.server.access import ROUTES
from draas.server.api.app import create_app
from draas.server.api.config import ApiConfig
from draas.server.api.describe import describe
from draas.testing.fake_controller import FakeController
from draas.wire.app_schema import app_schema

HERE = Path(__file__).resolve().parent
STATES = "internals/states.md"
API = "reference/api.md"
API_HEAD = """# The HTTP API

Made from the OpenAPI document (`GET /api/openapi.json`) by `docs/generate.py`; do not edit. Examples: [with curl](../how-to/curl.md).
Keys and roles: [who may do what](../concepts/access.md). Errors are RFC 9457 problem documents; times are RFC 3339 in UTC.
"""
CLI = "reference/cli.md"
CLI_HEAD = """# The command line

Made from the commands by `docs/generate.py`; do not edit. A first walk through them: [getting started](../start.md); completion of
your shell: [draas completion](#draas-completion).

Commands find the controller by `DRAAS_URL` and `DRAAS_KEY` (also honoured: `SCHEDULER_URL`, `MASTER_URL`, `API_KEY`), else by
`~/.config/draas/config.toml`, which `draas up` writes. Results go to stdout, everything else to stderr. Colours and progress are
for terminals only (`NO_COLOR` is honoured); tables are cut to the terminal's width and never elsewhere.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | it failed; `draas run` ends with the job's own code |
| 2 | wrong usage, or the controller found a value wrong |
| 3 | the controller cannot be reached, or does not allow it |
| 130, 143 | stopped by Ctrl-C, by SIGTERM; `draas run` has cancelled its job |
| 141 | nobody reads the output any more; `draas run` has cancelled its job |
"""
DRAAS_YAML = "reference/draas-yaml.md"
SCHEMA = "reference/app.schema.json"
DRAAS_YAML_HEAD = """# draas.yaml

Made from the schema of an app by `docs/generate.py`; do not edit. The same fields are the body of `PUT /api/apps/NAME`; a
[JSON Schema](app.schema.json) is for editors (`# yaml-language-server: $schema=…`). How to use it: [deploy](../how-to/deploy.md).

A file has one app, a list of apps, or several documents. An unknown field is an error with its line and the nearest name there is.
`${VAR}` is not expanded. YAML 1.2: only `true` and `false` are true and false. Values of `env` and `labels` are taken as they are written.

```yaml
app: shop
image: nginx:1.25
port: 80
replicas: {min: 2, max: 6}
autoscale: {requests_per_s: 100}
domains: [shop.example.org, example.org/shop]
health: {http: /healthz, every_s: 2, timeout_s: 1, failures: 3}
resources: {cpu_cores: 0.5, memory_mb: 256}
env: {MODE: production}
release_command: ["/app/migrate"]
constraints: ["node.arch == amd64"]
labels: {team: web}
https: {redirect: true}
deploy: {order: start-first, batch: 1, healthy_after_s: 3, rollback: auto}
```
"""
HEAD = """# States

Made from the tables in `draas.model` by `docs/generate.py`; do not edit. Every move in the program goes through `advance()`, which refuses what
is not drawn here. The first state of each table is where things usually begin.
"""
JOB = """A job that needs nothing begins as queued. It goes back to queued where an attempt failed or its machine was lost and another attempt is due.
What has ended can be asked for again. Short jobs may be over before their start was reported, so steps can be skipped.
"""
ALLOCATION = """One attempt of a job on one node. States only grow, whatever order reports arrive in; `lost` is what the controller says of an attempt whose node is gone.
"""
NODE = """Disconnected after the link was silent for 3 s, down after 6 s, by default. A node that left does not come back; the machine joins again as a new one.
"""

RELEASE = """One version of an app. `replaced` is what was live before another took over, or never began because a newer one was asked for.
"""


def render_states() -> str:
    """The page docs/internals/states.md."""
    parts = [
        ("Job", JOB, render_mermaid(JOB_TABLE)),
        ("Allocation", ALLOCATION, render_mermaid(ALLOCATION_TABLE)),
        ("Node", NODE, render_mermaid(NODE_TABLE)),
        ("Release", RELEASE, render_mermaid(RELEASE_TABLE)),
    ]
    return HEAD + "".join(f"\n## {name}\n\n{words}\n```mermaid\n{diagram}```\n" for name, words, diagram in parts)


def render_api() -> str:
    """The page docs/reference/api.md."""
    document = describe(create_app(FakeController(), ApiConfig()))
    calls = [
        _render_call(method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    schemas = document["components"]["schemas"]
    bodies = [_render_schema(name, schemas[name]) for name in sorted(schemas)]
    return API_HEAD + "\n" + "\n".join(calls) + "\n# Shapes\n\n" + "\n".join(bodies)


def _render_call(method: str, path: str, operation: dict[str, Any]) -> str:
    lines = [f"## {method} {path}\n", f"{operation['summary']}. Role: {ROUTES[method, path].need.name.lower()}.\n"]
    if content := operation.get("requestBody", {}).get("content"):
        form = content.get("multipart/form-data", {}).get("schema", {}).get("properties", {})
        parts = f"; or a form with the parts {' and '.join(form)}" if form else ""
        lines.append(f"Body: {_kind(content['application/json']['schema'])}{parts}\n")
    if parameters := operation.get("parameters"):
        lines += ["| parameter | in | |", "|---|---|---|"]
        lines += [f"| `{p['name']}` | {p['in']} | {_about(p | p['schema'])} |" for p in parameters]
        lines.append("")
    lines += ["| status | answer |", "|---|---|"]
    for status, answer in operation["responses"].items():
        kinds = [
            _kind(told["schema"]) if told.get("schema") else media for media, told in answer.get("content", {}).items()
        ]
        lines.append(f"| {status} | {answer['description']}{': ' if kinds else ''}{', '.join(kinds)} |")
    return "\n".join(lines) + "\n"


def _render_schema(name: str, schema: dict[str, Any]) -> str:
    lines = [f"## {name}\n", schema.get("description", "") + "\n", "| field | kind | |", "|---|---|---|"]
    for field, told in schema.get("properties", {}).items():
        needed = "required. " if field in schema.get("required", []) and name.endswith("Body") else ""
        lines.append(f"| `{field}` | {_kind(told)} | {needed}{_about(told)} |")
    return "\n".join(lines) + "\n"


def _kind(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_kind(one) for one in schema["anyOf"]))
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("type") == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object of {_kind(schema['additionalProperties'])}"
    return str(schema.get("type", "any"))


def _about(told: dict[str, Any]) -> str:
    """What is said of a field, and its limits and default."""
    limits = {
        "minimum": "from",
        "exclusiveMinimum": "more than",
        "maximum": "to",
        "maxLength": "characters up to",
        "maxItems": "up to",
    }
    whole = {**next((one for one in told.get("anyOf", []) if one.get("type") != "null"), {}), **told}
    words = [str(told.get("description", ""))] + [
        f"{word} {whole[name]}" for name, word in limits.items() if name in whole
    ]
    if told.get("default") is not None:
        words.append(f"default `{json.dumps(told['default'])}`")
    if told.get("deprecated"):
        words.append("for existing clients")
    return "; ".join(word for word in words if word).replace("|", "\\|")


def _cell(text: str) -> str:
    """`text` in a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


def render_draas_yaml() -> str:
    """The page docs/reference/draas-yaml.md."""
    schema = app_schema()
    parts = [_render_app_fields("An app", schema, schema["required"])]
    used = {
        reference["$ref"].rsplit("/", 1)[1]: f"{path}{field}"
        for path, fields in (("", schema), ("deploy.", schema["$defs"]["DeployBody"]))
        for field, told in fields["properties"].items()
        for reference in told.get("anyOf", [])
        if "$ref" in reference
    }
    parts += [_render_app_fields(f"`{field}`", schema["$defs"][name], []) for name, field in used.items()]
    page = DRAAS_YAML_HEAD + "\n" + "\n".join(parts)
    for name, field in used.items():
        page = page.replace(f"[{name}](#{name.lower()})", f"[fields](#{field.replace('.', '')})")
    return page


def _render_app_fields(title: str, schema: dict[str, Any], required: list[str]) -> str:
    lines = [f"## {title}\n", schema["description"] + "\n", "| field | kind | |", "|---|---|---|"]
    for field, told in schema["properties"].items():
        needed = "required. " if field in required else ""
        kinds = " or ".join(kind for kind in _kind(told).split(" or ") if kind != "null")
        lines.append(f"| `{field}` | {kinds} | {needed}{_about(told)} |")
    return "\n".join(lines) + "\n"


def render_schema() -> str:
    """The file docs/reference/app.schema.json."""
    return json.dumps(app_schema(), indent=2) + "\n"


def render_cli() -> str:
    """The page docs/reference/cli.md."""
    context = click.Context(main, info_name="draas")
    return CLI_HEAD + "\n" + "\n".join(_render_commands(main, context))


def _render_commands(command: click.Command, context: click.Context) -> Iterator[str]:
    """A command, then those below it."""
    if context.parent is not None:
        yield _render_command(command, context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from _render_commands(below, click.Context(below, info_name=name, parent=context))


def _render_command(command: click.Command, context: click.Context) -> str:
    usage = " ".join(command.get_usage(context).removeprefix("Usage: ").split())
    words = "\n\n".join(
        f"```\n{part.lstrip(chr(8)).strip(chr(10))}\n```" if part.startswith("\b") else " ".join(part.split())
        for part in inspect.cleandoc(command.help or "").split("\n\n")
    )
    records = [record for one in command.params if (record := one.get_help_record(context)) is not None]
    rows = "".join(f"| `{_cell(names)}` | {_cell(told)} |\n" for names, told in records)
    table = f"\n| option | |\n|---|---|\n{rows}" if rows and not isinstance(command, click.Group) else ""
    return f"## {context.command_path}\n\n    {usage}\n\n{words}\n{table}"


if __name__ == "__main__":
    (HERE / STATES).write_text(render_states())
    (HERE / API).write_text(render_api())
    (HERE / CLI).write_text(render_cli())
    (HERE / DRAAS_YAML).write_text(render_draas_yaml())
    (HERE / SCHEMA).write_text(render_schema())
