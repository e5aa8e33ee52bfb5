"""The pages that code can check: made from tables, complete, and with no link into nowhere."""

import importlib.util
import json
import re
import tomllib
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])


def test_pages_made_from_code_are_current() -> None:
    spec = importlib.util.spec_from_file_location("draas_docs_generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    assert (ROOT / "docs" / generate.STATES).read_text() == generate.render_states(), "run python docs/generate.py"
    assert (ROOT / "docs" / generate.API).read_text() == generate.render_api(), "run python docs/generate.py"
    assert (ROOT / "docs" / generate.CLI).read_text() == generate.render_cli(), "run python docs/generate.py"
    for page, text in (
        (generate.DRAAS_YAML, generate.render_draas_yaml()),
        (generate.SCHEMA, generate.render_schema()),
    ):
        assert (ROOT / "docs" / page).read_text() == text, "run python docs/generate.py"


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    asked = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    names = {re.split(r"[^A-Za-z0-9._-]", text, maxsplit=1)[0] for text in asked}
    page = (ROOT / "docs" / "internals" / "dependencies.md").read_text()
    of_web = page.partition("## Of the dashboard")[2].partition("\n## ")[0]
    told = set(re.findall(r"^\| `([^`]+)` \| \S", page.replace(of_web, ""), re.MULTILINE))
    assert told == names
    web = json.loads((ROOT / "web" / "package.json").read_text())
    rows = re.findall(r"^\| (`[^|]+) \| \S", of_web, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`([^`]+)`", row)}
    wanted = {
        name if not name.startswith("@types/") else "@types/…"
        for part in ("dependencies", "devDependencies")
        for name in web[part]
    }
    assert named == wanted


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)", page.read_text())
    broken = [target for target in targets if "://" not in target and not (page.parent / target).exists()]
    assert broken == []


def test_the_picture_is_well_formed() -> None:
    picture = ElementTree.parse(ROOT / "docs" / "architecture.svg").getroot()
    assert picture.tag.endswith("svg")


def test_decisions_are_numbered_without_a_gap() -> None:
    numbers = [int(page.name[:4]) for page in sorted((ROOT / "docs" / "adr").glob("*.md"))]
    assert numbers == list(range(1, len(numbers) + 1))
