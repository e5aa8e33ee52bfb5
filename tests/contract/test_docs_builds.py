"""The examples of docs/how-to/builds.md run as they stand, in order, over the API and a registry on disk."""

import asyncio
import os
import re
from pathlib import Path

from registry_client import registry

from draas.testing.api import make_node

ROOT = Path(__file__).resolve().parents[2]


async def test_the_examples_run(tmp_path: Path) -> None:
    blocks = re.findall(r"^```bash\n(.*?)^```", (ROOT / "docs/how-to/builds.md").read_text(), re.DOTALL | re.MULTILINE)
    assert len(blocks) >= 6
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "index.html").write_text("<h1>shop</h1>")
    async with registry(tmp_path / "registry") as images:
        served = images.served
        await served.controller.put_node(make_node("alpha"))
        ran = await asyncio.create_subprocess_exec(
            "bash", "-c", "set -euo pipefail\n" + "\necho; echo ---\n".join(blocks),
            cwd=tmp_path, env={**os.environ, "DRAAS_URL": served.url, "DRAAS_KEY": served.secrets["admin"]},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        said, wrong = (text.decode() for text in await ran.communicate())
        assert ran.returncode == 0, said + wrong
        first, git, pushed, asked, secret, looked, ended = said.split("\n---\n")
        assert first.strip() == ""
        assert '"git":"https://example.org/shop.git#v1.2"' in git
        assert '"constraints":["node.arch == arm64"]' in git
        assert re.search(r"range: 0-[1-9]", pushed, re.IGNORECASE)
        digest = re.findall(r'"digest":"(sha256:[^"]+)"', pushed)
        assert len(set(digest + re.findall(r'"digest":"(sha256:[^"]+)"', secret))) == 1, said
        assert '"kind":"Go"' in asked
        assert "FROM golang:" in asked
        assert '"secrets":["npm"]' in secret
        assert looked.count('"state":"queued"') >= 5
        assert re.findall(r'"state":"(\w+)"', ended) == ["cancelled", "queued", "cancelled"]
        assert "errors" not in said, said
        commands = [type(command).__name__ for command in served.controller.commands]
        assert commands == ["SubmitJobs"] * 4 + ["CancelJob", "RetryJob", "CancelJob", "DeleteJob"]
