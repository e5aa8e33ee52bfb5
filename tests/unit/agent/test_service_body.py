"""What the engine is asked for a replica, and where its answer says that it can be reached."""

from typing import Any

import msgspec
import pytest

from draas.agent.runtimes.docker.container_body import Surroundings, render_container
from draas.agent.runtimes.docker.own_address import address_towards, is_loopback, publish_on
from draas.agent.runtimes.docker.pins import is_id, pin_of
from draas.agent.runtimes.docker.service_body import door_of
from draas.agent.runtimes.runtime import Door
from draas.testing.builders import a_service, an_assignment

AROUND = Surroundings(owner="n-1", image="nginx@sha256:1", network="bridge", init=True, host_ip="10.0.0.5")
SUBNET = "172.17.0.3/16"
DIGEST = "sha256:" + "ab" * 32


def test_its_port_is_published_on_one_that_the_engine_chooses() -> None:
    body = render_container(an_assignment(service=a_service(port=80)), AROUND)
    assert body["HostConfig"]["PortBindings"] == {"80/tcp": [{"HostIp": "10.0.0.5", "HostPort": ""}]}
    assert body["ExposedPorts"] == {"80/tcp": {}}
    assert body["HostConfig"]["NetworkMode"] == "bridge"


def test_without_a_port_nothing_is_published() -> None:
    body = render_container(an_assignment(service=a_service(port=None)), AROUND)
    assert "PortBindings" not in body["HostConfig"]
    assert not [line for line in body["Env"] if line.startswith("PORT=")]


def test_a_job_is_asked_for_as_before() -> None:
    body = render_container(an_assignment(), AROUND)
    assert {"PortBindings", "Healthcheck", "ExposedPorts"}.isdisjoint({*body, *body["HostConfig"]})
    assert (body["Entrypoint"], body["Cmd"]) == (["sh"], ["-c", "true"])


def test_the_images_own_entry_point_is_process_1() -> None:
    own = msgspec.structs.replace(an_assignment(service=a_service()), command=())
    body = render_container(own, AROUND)
    assert "Entrypoint" not in body
    assert body["HostConfig"]["Init"] is False


def test_the_apps_own_port_variable_wins_and_forged_ones_do_not() -> None:
    env = {"PORT": "1", "DRAAS_RELEASE": "99"}
    body = render_container(msgspec.structs.replace(an_assignment(service=a_service(port=80)), env=env), AROUND)
    assert "PORT=1" in body["Env"]
    assert "DRAAS_RELEASE=1" in body["Env"]


def running(**binding: str) -> dict[str, Any]:
    return {
        "Config": {"Labels": {"draas.port": "80"}},
        "NetworkSettings": {
            "Ports": {"80/tcp": [binding] if binding else None},
            "Networks": {"bridge": {"IPAddress": "172.17.0.3", "IPPrefixLen": 16}},
        },
    }


@pytest.mark.parametrize(
    ("info", "advertised", "engine_host", "door"),
    [
        (
            running(HostIp="10.0.0.5", HostPort="32768"),
            "10.0.0.5",
            None,
            Door(endpoint="10.0.0.5:32768", host="172.17.0.3", port=80, published=("10.0.0.5", 32768), subnet=SUBNET),
        ),
        (
            running(HostIp="0.0.0.0", HostPort="32768"),
            "203.0.113.7",  # behind NAT: others come by this address, the agent by its own
            None,
            Door(
                endpoint="203.0.113.7:32768", host="172.17.0.3", port=80, published=("127.0.0.1", 32768), subnet=SUBNET
            ),
        ),
        (
            running(HostIp="::1", HostPort="32768"),
            "fd00::1",
            None,
            Door(endpoint="[fd00::1]:32768", host="172.17.0.3", port=80, published=("::1", 32768), subnet=SUBNET),
        ),
        (
            running(HostIp="0.0.0.0", HostPort="32768"),
            "10.0.0.5",
            "engine.lan",
            Door(endpoint="10.0.0.5:32768", host="engine.lan", port=32768, proxied=True),
        ),
        (running(), "10.0.0.5", None, Door(host="172.17.0.3", port=80, subnet=SUBNET)),
    ],
)
def test_doors(info: dict[str, Any], advertised: str, engine_host: str | None, door: Door) -> None:
    assert door_of(info, advertised, engine_host) == door


@pytest.mark.parametrize(
    ("image", "digests", "pin"),
    [
        ("nginx:1.25", [f"nginx@{DIGEST}"], f"nginx@{DIGEST}"),
        ("docker.io/library/nginx", [f"nginx@{DIGEST}"], f"docker.io/library/nginx@{DIGEST}"),
        (
            "registry:5000/shop:2",
            ["other/shop@sha256:1", f"registry:5000/shop@{DIGEST}"],
            f"registry:5000/shop@{DIGEST}",
        ),
        ("shop:2", [f"registry:5000/shop@{DIGEST}"], "sha256:id"),
        ("shop:2", [], "sha256:id"),
        (f"shop:2@{DIGEST}", [], f"shop@{DIGEST}"),
        (DIGEST, [], DIGEST),
    ],
)
def test_pins(image: str, digests: list[str], pin: str) -> None:
    assert pin_of(image, digests, "sha256:id") == pin


def test_an_id_is_no_name() -> None:
    assert is_id(DIGEST)
    assert not is_id("sha256:1.25")
    assert not is_id(f"nginx@{DIGEST}")


@pytest.mark.parametrize(
    ("address", "local", "published"),
    [
        ("", True, "127.0.0.1"),
        ("localhost", True, "127.0.0.1"),
        ("::1", True, "127.0.0.1"),
        ("203.0.113.7", True, "0.0.0.0"),  # documentation's own: no machine has it
        ("node-1.example", True, "0.0.0.0"),
        ("127.0.0.9", True, "127.0.0.1"),
        ("10.0.0.5", False, "0.0.0.0"),
    ],
)
def test_where_ports_are_published(address: str, local: bool, published: str) -> None:
    assert publish_on(address, local=local) == published


def test_an_agent_beside_its_controller_has_no_address_for_others() -> None:
    assert address_towards("127.0.0.1", 8000) == ""
    assert is_loopback("127.0.0.1")
