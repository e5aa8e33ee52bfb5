"""The examples of the pages about apps run as they stand, in order: each yaml block is draas.yaml for the commands below it."""

import asyncio
import re
import shutil
import sys
from pathlib import Path

import pytest
from cli_world import environment, for_process
from pretended_builder import Builder
from registry_client import registry

from draas.testing.api import Served, make_node, serve_api

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
    async with serve_api() as served:
        told = await run_blocks(served, tmp_path, blocks)
        commands = [type(command).__name__ for command in served.controller.commands]
        assert "PutApp" in commands
        if page == "how-to/deploy.md":
            assert commands == ["PutApp", "PutApp", "ScaleApp", "RestartApp", "PutApp", "RemoveApp", "RemoveApp"], told


async def run_blocks(served: Served, folder: Path, blocks: list[tuple[str, str]]) -> str:
    """What the blocks say as one script, which must end well."""
    script = ["set -eu", f'draas() {{ "{sys.executable}" -m draas "$@" || {{ echo "failed: $*"; exit 1; }}; }}']
    for kind, text in blocks:
        script.append(text if kind == "bash" else f"cat >draas.yaml <<'END'\n{text}END")
    for name in ("alpha", "beta"):
        await served.controller.put_node(make_node(name))
    served.controller.apps_now.prompt = True
    ran = await asyncio.create_subprocess_exec(
        "bash", "-c", "\n".join(script),
        cwd=folder, env=for_process(environment(served, folder)),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    told = (await ran.communicate())[0].decode()
    assert ran.returncode == 0, told
    return told


async def test_the_examples_of_source_run(tmp_path: Path) -> None:
    """Against the real registry and a pretended builder, in a folder beside a source folder `shop`."""
    page = (ROOT / "docs/how-to/source.md").read_text()
    blocks = re.findall(r"^```(yaml|bash)\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    shutil.copytree(ROOT / "docs/samples/python", tmp_path / "shop")
    async with registry(tmp_path / "registry") as images, Builder(images) as builder:
        told = await run_blocks(images.served, tmp_path, blocks)
        assert told.count("shop: unchanged since build") == 1, told  # by apply: the same as by the flags
        assert len(builder.built) == 3, told
        assert (tmp_path / "shop/Dockerfile").read_text().startswith("# Made by DRaaS")
