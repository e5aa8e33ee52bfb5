"""The controller's [policy] table: what is taken, and what is said of what cannot be."""

import tomllib
from pathlib import Path

import click
import pytest

from draas.cli.policy import read_policy
from draas.model.policy import Policy

TOP_LEVEL = (
    "listen",
    "advertise",
    "data_dir",
    "trusted_proxies",
    "blobs",
    "acme_email",
    "acme_directory",
    "docker_hub_push",
    "docker_username",
    "docker_hub_registry",
)
NO_LIMIT = ("images_keep_tags", "images_quota_bytes")  # by default: the example shows one
EXAMPLE = Path(__file__).resolve().parents[3] / "deploy" / "controller.toml.example"


def test_what_is_not_given_is_the_default() -> None:
    assert read_policy({}) == Policy()
    assert read_policy({"lease_s": 8, "down_after_s": 5.5}) == Policy(lease_s=8, down_after_s=5.5)


def test_the_example_shows_the_defaults() -> None:
    lines = EXAMPLE.read_text().splitlines()
    shown = tomllib.loads(
        "\n".join(line[1:] for line in lines if line.startswith("#") and " = " in line and line[1] != " ")
    )
    policy = {name: value for name, value in shown.items() if name not in (*TOP_LEVEL, *NO_LIMIT)}
    assert read_policy(policy) == Policy()
    assert len(policy) >= 10


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"leese_s": 8}, "policy.leese_s is not known; did you mean lease_s?"),
        ({"lease_s": "8"}, "policy.lease_s must be a number above 0, not '8'"),
        ({"lease_s": True}, "policy.lease_s must be a number above 0, not True"),
        ({"lease_s": float("nan")}, "policy.lease_s must be a number above 0, not nan"),
        ({"log_cap_bytes": 0.5}, "policy.log_cap_bytes must be a whole number above 0, not 0.5"),
        ({"down_after_s": 2}, "policy.down_after_s must be longer than disconnected_after_s (3 s)"),
        ({"lease_s": 1}, "policy.lease_s must be at least twice heartbeat_s (1 s): each heartbeat renews it"),
        (7, "policy must be a table: write [policy] on a line of its own"),
    ],
)
def test_a_wrong_value_is_one_clear_line(table: object, message: str) -> None:
    with pytest.raises(click.UsageError) as told:
        read_policy(table)
    assert told.value.message == message
