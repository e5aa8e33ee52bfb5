"""What a source means, the name that an app gets from it, and the flags about builds."""

from pathlib import Path

import click
import pytest

from draas.cli.build_options import BuildOptions, options_of, said_of_builds, secrets_of
from draas.cli.source import Archive, Folder, Git, name_of_source, source_of

GIVEN: dict[str, object] = {"build_args": (), "build_secrets": (), "bases": ()}


@pytest.mark.parametrize(
    ("text", "kind", "name"),
    [
        ("My_Shop", Folder, "my-shop"),
        ("My_Shop/.", Folder, "my-shop"),
        ("Shop 1.0.tar.gz", Archive, "shop-1-0"),
        ("shop.zip", Archive, "shop"),
        ("https://example.org/team/My.Shop.git", Git, "my-shop"),
        ("https://example.org/team/shop#main", Git, "shop"),
        ("git@example.org:team/shop.git#v1", Git, "shop"),
        ("ssh://git@example.org/shop.git/", Git, "shop"),
    ],
)
def test_what_is_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, kind: type[object], name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "My_Shop").mkdir()
    for archive in ("Shop 1.0.tar.gz", "shop.zip"):
        (tmp_path / archive).touch()
    found = source_of(text)
    assert (type(found), name_of_source(found)) == (kind, name)


def test_the_folder_where_somebody_is_has_a_name_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shop").mkdir()
    monkeypatch.chdir(tmp_path / "shop")
    assert name_of_source(source_of(".")) == "shop"


def test_what_is_no_source_is_told(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.touch()
    with pytest.raises(click.UsageError, match="neither a folder nor an archive"):
        source_of(str(file))
    with pytest.raises(click.UsageError, match="is not there: name a folder"):
        source_of(str(tmp_path / "shop"))


def test_flags_become_options(tmp_path: Path) -> None:
    file = tmp_path / "npmrc"
    file.write_text("token=1")
    given = {**GIVEN, "build_args": ("A=1", "B=x=y"), "build_secrets": (f"npmrc={file}", "token=env:TOKEN")}
    given |= {"bases": ("python=mine:1",), "no_cache": True, "platform": "linux/arm64"}
    assert options_of(given, {"TOKEN": "hidden"}) == BuildOptions(
        args={"A": "1", "B": "x=y"},
        secrets={"npmrc": "token=1", "token": "hidden"},
        bases={"python": "mine:1"},
        platform="linux/arm64",
        cache=False,
        force=True,
    )
    assert "hidden" not in repr(options_of(given, {"TOKEN": "hidden"}))
    assert said_of_builds(given) == ["--build-arg", "--platform", "--base", "--no-cache", "--build-secret"]
    assert options_of(GIVEN) == BuildOptions()


@pytest.mark.parametrize(
    ("item", "told"),
    [
        ("npmrc", "must be ID=FILE or ID=env:VARIABLE"),
        ("=x", "must be ID=FILE"),
        ("a=env:NOT_SET", "--build-secret a: NOT_SET is not set here"),
        ("a=/no/such", "--build-secret a: /no/such cannot be read: No such file"),
    ],
)
def test_a_secret_that_is_none_is_told(item: str, told: str) -> None:
    with pytest.raises(click.UsageError, match=told):
        secrets_of([item], {})
