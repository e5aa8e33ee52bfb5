"""Writes src/api/schema.d.ts from the API's OpenAPI document: `python web/schema.py`. A test says where that was forgotten."""

import json
import subprocess
import tempfile
from pathlib import Path

from draas.server.api.app import create_app
from draas.server.api.config import ApiConfig
from draas.server.api.describe import describe
from draas.testing.fake_controller import FakeController

HERE = Path(__file__).resolve().parent
SCHEMA = HERE / "src" / "api" / "schema.d.ts"


def render_schema(node: str = "node") -> str:
    """The types of all paths and bodies, by openapi-typescript."""
    document = describe(create_app(FakeController(), ApiConfig(version="0")))
    program = HERE / "node_modules" / "openapi-typescript" / "bin" / "cli.js"
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "openapi.json"
        source.write_text(json.dumps(document))
        made = Path(folder) / "schema.d.ts"
        subprocess.run(
            [node, program, source, "-o", made, "--alphabetize", "--default-non-nullable=false"],
            cwd=HERE, check=True, timeout=120, capture_output=True,
        )  # fmt: skip
        return made.read_text()


if __name__ == "__main__":
    SCHEMA.write_text(render_schema())
