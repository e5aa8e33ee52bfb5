"""`draas detect`: its three forms, and what it ends with."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from draas.cli.main import main


def draas(*words: str) -> Result:
    return CliRunner().invoke(main, ["detect", *words])


@pytest.fixture
def shop(tmp_path: Path) -> str:
    (tmp_path / "requirements.txt").write_text("flask\n")
    (tmp_path / "app.py").write_text("from flask import Flask\napp = Flask(__name__)\n")
    return str(tmp_path)


def test_for_people(shop: str) -> None:
    told = draas(shop)
    assert told.exit_code == 0
    assert "found       requirements.txt, Flask in app.py\n" in told.stdout
    assert told.stdout.endswith('CMD ["gunicorn", "--bind", "0.0.0.0:8000", "app:app"]\n')


def test_json_and_quiet(shop: str) -> None:
    told = json.loads(draas(shop, "--json", "--base", "python=mine:1").stdout)
    quiet = draas(shop, "-q", "--base", "python=mine:1").stdout
    assert told.pop("dockerfile") == quiet
    assert "\nFROM mine:1\n" in quiet
    because = ["requirements.txt", "Flask in app.py"]
    assert told == {
        "kind": "python",
        "because": because,
        "folder": ".",
        "port": 8000,
        "files": 2,
        "total_bytes": 52,
        "generated": True,
    }


def test_the_projects_own(shop: str) -> None:
    Path(shop, "Dockerfile").write_text("FROM x\nEXPOSE 81\n")
    told = json.loads(draas(shop, "--json").stdout)
    assert (told["kind"], told["port"], told["generated"], told["dockerfile"]) == (
        "dockerfile",
        81,
        False,
        "FROM x\nEXPOSE 81\n",
    )


def test_nothing_recognised(tmp_path: Path) -> None:
    told = draas(str(tmp_path))
    assert (told.exit_code, told.stdout) == (1, "")
    assert "nothing that can be built was recognised: add a Dockerfile; looked for:\n" in told.stderr
    assert "\n  package.json (Node)\n" in told.stderr
    as_json = draas(str(tmp_path), "--json")
    assert as_json.exit_code == 1
    assert "go.mod (Go)" in json.loads(as_json.stdout)["looked_for"]


def test_wrong_usage(tmp_path: Path) -> None:
    assert draas(str(tmp_path / "missing")).exit_code == 1
    told = draas(str(tmp_path), "--base", "ruby=x")
    assert told.exit_code == 2
    assert "KIND one of python, node, go, go-run, static, not ruby=x" in told.stderr
