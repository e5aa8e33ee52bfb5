"""Sizes and spans of time as people write them."""

import click
import pytest

from draas.cli.units import memory_mb, seconds


@pytest.mark.parametrize(
    ("text", "mib"),
    [("512", 512), ("512m", 512), ("512MB", 512), ("512MiB", 512), ("2g", 2048), ("1.5GiB", 1536), ("65536k", 64), ("1t", 1048576)],
)  # fmt: skip
def test_sizes(text: str, mib: float) -> None:
    assert memory_mb(text) == mib


@pytest.mark.parametrize(
    "text", ["", "m", "12x", "1 2", "-5", "nan", "inf", "1e3", "0", "512mm", "99999999999999", "٣"]
)
def test_no_sizes(text: str) -> None:
    with pytest.raises(click.UsageError, match="--memory must"):
        memory_mb(text)


@pytest.mark.parametrize(
    ("text", "span"), [("90", 90), ("0.5", 0.5), ("30s", 30), ("5m", 300), ("1h30m", 5400), ("2d", 172800), ("250ms", 0.25)]
)  # fmt: skip
def test_spans(text: str, span: float) -> None:
    assert seconds(text) == span


@pytest.mark.parametrize("text", ["", "s", "5x", "5m3", "-1s", "0", "0s", "nan", "1h x"])
def test_no_spans(text: str) -> None:
    with pytest.raises(click.UsageError, match="--timeout must"):
        seconds(text)
