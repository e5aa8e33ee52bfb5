"""The examples of the pages about apps run as they stand, in order: each yaml block is draas.yaml for the commands below it."""

import asyncio
import re
import sys
from pathlib import Path

import pytest
from cli_world import environment, for_process

from draas.testing.api import make_node, serve_api

ROOT = Path(__file__).resolve().parents[2]
PAGES = (
    "how-to/deploy.md",
    "how-to/domains.md",
    "how-to/health.md",
    "how-to/rollback.md",
    "how-to/autoscale.md",
    "reference/draas-yaml.md",
)


@pytest.mark.parametrize("page", PAGES)
async def test_the_examples_run(page: str, tmp_path: Path) -> None:
    blocks = re.findall(r"^```(yaml|bash)\n(.*?)^```", (ROOT / "docs" / page).read_text(), re.DOTALL | re.MULTILINE)
    assert blocks
    if page.startswith("reference"):
        blocks.append(("bash", "draas apply draas.yaml\n"))
    script = ["set -eu", f'draas() {{ "{sys.executable}" -m draas "$@" || {{ echo "failed: $*"; exit 1; }}; }}']
    for kind, text in blocks:
        script.append(text if kind == "bash" else f"cat >draas.yaml <<'END'\n{text}END")
    async with serve_api() as served:
        for name in ("alpha", "beta"):
            await served.controller.put_node(make_node(name))
        served.controller.apps_now.prompt = True
        ran = await asyncio.create_subprocess_exec(
            "bash", "-c", "\n".join(script),
            cwd=tmp_path, env=for_process(environment(served, tmp_path)),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        told = (await ran.communicate())[0].decode()
        assert ran.returncode == 0, told
        commands = [type(command).__name__ for command in served.controller.commands]
        assert "PutApp" in commands
        if page == "how-to/deploy.md":
            assert commands == ["PutApp", "PutApp", "ScaleApp", "RestartApp", "PutApp", "RemoveApp", "RemoveApp"], told
