"""Apps over HTTP: what is put, shown, planned, followed and refused."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from draas.lib import clock
from draas.model.allocation import AllocationState, Cause
from draas.model.sample import NOT_KNOWN, AppSample
from draas.server.api.config import ApiConfig
from draas.testing.api import Served, make_node, put_key, serve_api
from draas.wire.records import Stream

SHOP: dict[str, Any] = {"image": "nginx:1.25", "port": 80, "replicas": 2}


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serve_api(ApiConfig(beat_s=0.1, apps_domain="apps.home")) as started:
        await started.controller.put_node(make_node())
        yield started


async def ask(
    served: Served, method: str, path: str, body: object = None, key: str | None = None, **headers: str
) -> tuple[int, Any]:
    sent = {"Authorization": f"Bearer {key or served.secrets['admin']}", **headers}
    raw = json.dumps(body).encode() if body is not None else None
    if raw is not None:
        sent["Content-Type"] = "application/json"
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, served.url + path, data=raw, headers=sent) as response,
    ):
        text = await response.text()
        return response.status, json.loads(text) if text.startswith(("{", "[")) else text


async def put(served: Served, name: str = "shop", **fields: Any) -> tuple[int, Any]:
    return await ask(served, "PUT", f"/api/apps/{name}", {**SHOP, **fields})


async def run_replicas(served: Served, count: int, name: str = "shop") -> None:
    """Be the cluster: place, start, find healthy, go live."""
    for _ in range(count):
        number = (await served.controller.place(name, make_node())).allocation.number
        await served.controller.observe(
            name, number, state=AllocationState.RUNNING, health="healthy", endpoint=f"10.0.0.1:4000{number}"
        )
    await served.controller.go_live(name)


# --- put and show ---


async def test_a_new_app_is_201_the_same_again_200_and_changes_nothing(served: Served) -> None:
    status, made = await put(served)
    assert (status, made["state"], made["wanted"], made["release"]) == (201, "deploying", 2, None)
    assert [(one["number"], one["state"]) for one in made["releases"]] == [(1, "rolling")]
    status, again = await put(served)
    assert (status, again["id"], len(again["releases"])) == (200, made["id"], 1)


async def test_the_spec_shown_can_be_put_back(served: Served) -> None:
    everything = {
        "app": "shop",
        "image": "registry.example:5000/team/shop:2",
        "port": 8080,
        "replicas": {"min": 0, "max": 6},
        "autoscale": {"requests_per_s": 100, "idle_s": 60},
        "domains": ["Shop.Example.org/api/", "bücher.example", "shop.apps.home"],
        "health": {"http": "/healthz", "every_s": 2, "timeout_s": 1, "failures": 3},
        "resources": {"cpu_cores": 0.25, "memory_mb": 128, "gpus": 0},
        "env": {"MODE": "production"},
        "secrets": [],
        "deploy": {
            "order": "stop-first", "batch": 2, "healthy_after_s": 1, "deadline_s": 61, "rollback": "off", "drain_s": 5,
            "canary": {"replicas": 1, "share_percent": 10},
        },
        "command": ["serve", "--port", "8080"],
        "release_command": "migrate",
        "constraints": ["node.arch == amd64"],
        "labels": {"team": "a"},
        "https": {"redirect": True},
        "maintenance": True,
        "stop_grace_s": 5,
    }  # fmt: skip
    status, made = await ask(served, "PUT", "/api/apps/shop", everything)
    assert status == 201, made
    spec = made["spec"]
    assert spec["domains"] == ["shop.example.org/api", "xn--bcher-kva.example", "shop.apps.home"]
    for name in set(everything) - {"app", "domains", "autoscale"}:
        assert spec[name] == everything[name], name
    status, again = await ask(served, "PUT", "/api/apps/shop", spec)
    assert (status, len(again["releases"])) == (200, 1)


@pytest.mark.parametrize(
    ("health", "shown"),
    [
        ("tcp", {"tcp": True}),
        ("none", {"none": True}),
        ({"tcp": None, "every_s": 5}, {"tcp": True, "every_s": 5}),
        ({"exec": "test -e /ok"}, {"exec": ["sh", "-c", "test -e /ok"]}),
        ({"exec": ["true"]}, {"exec": ["true"]}),
        ({"failures": 9}, {"tcp": True, "failures": 9}),
        (None, {"tcp": True}),
    ],
)
async def test_the_ways_to_say_health(served: Served, health: Any, shown: dict[str, Any]) -> None:
    status, made = await put(served, health=health)
    assert status == 201, made
    assert made["spec"]["health"] == {"every_s": 2, "timeout_s": 1, "failures": 3, **shown}
    status, again = await put(served, health=made["spec"]["health"])
    assert (status, len(again["releases"])) == (200, 1)


async def test_an_app_without_a_port_is_not_probed(served: Served) -> None:
    _, made = await put(served, port=None)
    assert "none" in made["spec"]["health"]


async def test_a_live_app_is_shown_with_replicas_urls_and_what_ended(served: Served) -> None:
    await put(served)
    await run_replicas(served, 2)
    last = await served.controller.observe(
        "shop",
        2,
        state=AllocationState.FAILED,
        cause=Cause.OUT_OF_MEMORY,
        exit_code=137,
        oom=True,
        detail="out of memory",
    )
    _, shown = await ask(served, "GET", "/api/apps/shop")
    assert (shown["state"], shown["release"], shown["healthy"]) == ("live", 1, 1)
    assert shown["urls"] == ["http://10.0.0.1:40001/"]
    _, listed = await ask(served, "GET", "/api/apps/shop/replicas")
    past, running = listed["items"]
    assert (past["id"], past["cause"], past["exit_code"], past["oom"]) == (last.id, "out_of_memory", 137, True)
    assert (past["detail"], running["health"], running["address"]) == ("out of memory", "healthy", "10.0.0.1:40001")
    _, present = await ask(served, "GET", "/api/apps/shop/replicas?past=false")
    assert [one["number"] for one in present["items"]] == [1]
    _, apps = await ask(served, "GET", "/api/apps?state=live")
    assert (apps["total"], apps["items"][0]["name"], apps["next"]) == (1, "shop", None)
    assert (await ask(served, "GET", "/api/apps?state=failed"))[1]["items"] == []


async def test_the_verbs(served: Served) -> None:
    served.controller.apps_now.prompt = True
    await put(served)
    assert (await ask(served, "POST", "/api/apps/shop/scale", {"replicas": 3}))[1]["healthy"] == 3
    _, told = await ask(served, "GET", "/api/apps/shop/scalings")
    assert [(one["before"], one["after"]) for one in told["items"]] == [(2, 3)]
    _, restarted = await ask(served, "POST", "/api/apps/shop/restart")
    assert sorted(one["number"] for one in restarted["replicas"]) == [4, 5, 6]
    await put(served, image="nginx:1.26", replicas=3)
    _, back = await ask(served, "POST", "/api/apps/shop/rollback", {})
    assert (back["image"], back["releases"][0]["rollback_of"], back["release"]) == ("nginx:1.25", 1, 3)
    _, listed = await ask(served, "GET", "/api/apps/shop/releases")
    assert [(one["number"], one["state"]) for one in listed["items"]] == [(3, "live"), (2, "replaced"), (1, "replaced")]
    assert listed["items"][1]["spec"]["image"] == "nginx:1.26"
    status, none = await ask(served, "POST", "/api/apps/shop/rollback", {"release": 99})
    assert (status, "no release 99" in none["detail"]) == (400, True)
    assert (await ask(served, "POST", "/api/apps/shop/canary", {"action": "promote"}))[0] == 409
    await put(served, image="nginx:1.27", replicas=3, deploy={"canary": {"share_percent": 10}})
    _, shown = await ask(served, "GET", "/api/apps/shop")
    assert (shown["release"], shown["rolling"], shown["releases"][0]["canary"]) == (3, 4, "testing")
    _, promoted = await ask(served, "POST", "/api/apps/shop/canary", {"action": "promote"})
    assert promoted["release"] == 4
    status, moved = await ask(served, "POST", "/api/apps/rebalance", {"name": "shop"})
    assert (status, [app["name"] for app in moved["items"]]) == (200, ["shop"])
    assert (await ask(served, "GET", "/api/apps/shop/explain"))[1]["verdicts"][0]["lacks"] == ["nothing runs here"]
    assert (await ask(served, "DELETE", "/api/apps/shop"))[0] == 204
    assert (await ask(served, "GET", "/api/apps/shop"))[0] == 404


async def test_a_post_with_the_same_key_is_done_once(served: Served) -> None:
    await put(served)
    for _ in range(2):
        headers = {"Idempotency-Key": "one"}
        assert (await ask(served, "POST", "/api/apps/shop/scale", {"replicas": 4}, **headers))[0] == 200
    assert len(served.controller.commands) == 2


async def test_what_a_put_would_change(served: Served) -> None:
    _, new = await ask(served, "POST", "/api/apps/shop/plan", {**SHOP, "env": {"A": "1"}})
    assert (new["action"], new["release"]) == ("create", True)
    assert {one["path"]: one["after"] for one in new["changes"]} == {
        "image": "nginx:1.25", "port": 80, "replicas": 2, "env.A": "1",
    }  # fmt: skip
    await put(served, env={"A": "1", "B": "2"})
    _, same = await ask(served, "POST", "/api/apps/shop/plan", {**SHOP, "env": {"B": "2", "A": "1"}})
    assert (same["action"], same["changes"]) == ("none", [])
    _, more = await ask(
        served, "POST", "/api/apps/shop/plan", {**SHOP, "replicas": {"min": 2, "max": 4}, "env": {"A": "1", "B": "2"}}
    )
    assert (more["action"], more["release"], more["restarts"]) == ("update", False, False)
    assert more["changes"] == [{"path": "replicas", "before": 2, "after": {"min": 2, "max": 4}}]
    _, other = await ask(served, "POST", "/api/apps/shop/plan", {**SHOP, "env": {"A": "", "C": "3"}})
    assert {one["path"]: (one["before"], one["after"]) for one in other["changes"]} == {
        "env.A": ("1", ""), "env.B": ("2", None), "env.C": (None, "3"),
    }  # fmt: skip
    assert (other["release"], other["restarts"]) == (True, True)
    _, route = await ask(
        served, "POST", "/api/apps/shop/plan", {**SHOP, "env": {"A": "1", "B": "2"}, "maintenance": True}
    )
    assert (route["release"], route["restarts"]) == (True, False)
    assert [type(command).__name__ for command in served.controller.commands] == ["PutApp"]


async def test_of_several_that_wait_the_newest_wins(served: Served) -> None:
    for version in ("1", "2", "3"):
        await put(served, image=f"nginx:{version}")
    _, shown = await ask(served, "GET", "/api/apps/shop")
    assert [(one["number"], one["state"]) for one in shown["releases"]] == [
        (3, "pending"),
        (2, "replaced"),
        (1, "rolling"),
    ]
    await served.controller.go_live("shop")
    _, shown = await ask(served, "GET", "/api/apps/shop")
    assert (shown["release"], shown["rolling"]) == (1, 3)


async def test_a_key_of_a_project_sees_and_changes_its_own_apps_only(served: Served) -> None:
    await put(served)
    red = await put_key(served.controller, "deployer", project="red")
    for method, path in [("GET", ""), ("DELETE", ""), ("POST", "/restart"), ("GET", "/logs"), ("GET", "/watch")]:
        status, told = await ask(served, method, f"/api/apps/shop{path}", key=red)
        assert (status, told["detail"]) == (404, "there is no app 'shop'"), path
    assert (await ask(served, "GET", "/api/apps", key=red))[1]["items"] == []
    status, told = await ask(served, "PUT", "/api/apps/shop", SHOP, key=red)
    assert (status, "another project" in told["detail"]) == (409, True)
    status, mine = await ask(served, "PUT", "/api/apps/mine", SHOP, key=red)
    assert (status, mine["project"]) == (201, "red")
    assert (await ask(served, "PUT", "/api/apps/mine", {**SHOP, "port": 81}))[1]["project"] == "red"
    assert (await ask(served, "POST", "/api/apps/rebalance", {"name": "shop"}, key=red))[0] == 404
    _, moved = await ask(served, "POST", "/api/apps/rebalance", {}, key=red)
    assert [app["name"] for app in moved["items"]] == ["mine"]


# --- bad input ---

HOSTILE_PATHS = ["/a b", '/a"', "/a'", "/a\n", "/a%0a", "/a{}", "/$a", "/é", "x", "", "/" + "x" * 300]
BAD: list[tuple[dict[str, Any], str, str]] = [
    *[({"port": port}, "port", words) for port, words in [
        (0, "at least 1"), (-1, "at least 1"), (70_000, "at most 65535"), (10**30, "at most"), ("80", "whole number"),
        (80.5, "whole number"), (True, "whole number"), ([], "whole number"),
    ]],
    *[({"image": image}, "image", "image reference") for image in [
        "", "Nginx", "a b", "a\n", "nginx:", "nginx:1 2", "http://x/y", "a@sha256:1", "-a", "a/", 'a"', "a$(x)", "x:" + "t" * 129,
    ]],
    ({"image": None}, "image", "is required"),
    ({"image": 5}, "image", "must be text"),
    ({"build": "."}, "build", "POST /api/builds"),
    ({"build": {"context": "."}, "image": None}, "build", "POST /api/builds"),
    *[({"replicas": value}, "replicas", words) for value, words in [
        (101, "0 to 100"), (-1, "0 to 100"), ("2", "whole number, or min and max"), (2.5, "whole number"), (True, "whole number"),
        ({"min": 3, "max": 2}, "min of 3 above its max of 2"),
    ]],
    ({"replicas": {"min": 1, "max": 500}}, "replicas.max", "at most 100"),
    ({"replicas": {"mim": 1}}, "replicas.mim", "did you mean min?"),
    ({"autoscale": {"requests_per_s": 5}}, "autoscale", "needs room"),
    ({"replicas": {"max": 3}, "autoscale": {"requests_per_s": 0}}, "autoscale.requests_per_s", "more than 0"),
    ({"replicas": {"max": 3}, "autoscale": {"rps": 1}}, "autoscale.rps", "requests_per_s"),
    ({"port": None, "domains": ["a.example"]}, "domains", "needs a port"),
    ({"port": None, "health": "tcp"}, "health.tcp", "needs a port"),
    *[({"domains": [domain]}, "domains[0]", words) for domain, words in [
        ("http://a.example", "without http://"), ("a.example:80", "without a port"), ("*.example", "wildcard"),
        ("10.0.0.1", "not an address"), ("a b.example", "host name"), ('a".example', "host name"), ("a\n.example", "host name"),
        ("a.example\r\nX: y", "without a port"), ("a_b.example", "host name"), ("-a.example", "host name"), ("a..b", "host name"),
        ("/x", "host name"), (".", "host name"), ("x." * 200 + "y", "host name"), ("a" * 64 + ".b", "host name"),
        ("a.example/b c", "path"), ("a.example/b%0ac", "path"), ('a.example/"', "path"), ("a.example/b\n", "path"),
        ("a.example/../b", "path"), ("a.example//b", "path"), ("a.example/{x}", "path"), ("", "at least 1"), (5, "must be text"),
        ("other.apps.home", "name of an app called other"), ("other.localhost", "name of an app called other"),
        ("other.10-0-0-1.sslip.io/x", "name of an app called other"),
    ]],
    ({"domains": ["a.example", "A.example/"]}, "domains", "same one twice"),
    ({"domains": ["a.example"] * 101}, "domains", "at most 100"),
    *[({"health": {"http": path}}, "health.http", "" if len(path) > 256 else "must be a path") for path in HOSTILE_PATHS],
    ({"health": {"http": "/", "tcp": True}}, "health", "http and tcp"),
    ({"health": "http"}, "health", "must be tcp, none"),
    ({"health": 5}, "health", "must be tcp, none"),
    ({"health": {"htpp": "/"}}, "health.htpp", "did you mean http?"),
    ({"health": {"http": "/", "timeout": 1}}, "health.timeout", "did you mean timeout_s?"),
    ({"health": {"exec": []}}, "health.exec", "1 to 1000 words"),
    ({"resources": {"cpu": 1}}, "resources.cpu", "did you mean cpu_cores?"),
    *[({"env": {name: "1"}}, f"env[{name!r}]", "environment variable") for name in ("1A", "A-B", "A=B", "a b", "")],
    ({"env": {"A": 5}}, "env.A", "must be text"),
    ({"env": {"A": "\0"}}, "env.A", "NUL"),
    ({"secrets": ["DATABASE_URL"]}, "secrets[0]", "names no secret"),
    ({"deploy": {"order": "fast"}}, "deploy.order", "'start-first' or 'stop-first'"),
    ({"deploy": {"rollback": False}}, "deploy.rollback", "'auto' or 'off'"),
    ({"deploy": {"batch": 0}}, "deploy.batch", "at least 1"),
    ({"deploy": {"canary": {"share": 5}}}, "deploy.canary.share", "did you mean share_percent?"),
    ({"https": True}, "https", "must be an object"),
    ({"constraints": ["node.arhc == amd64"]}, "constraints[0]", "did you mean node.arch?"),
    ({"command": ["x", 5]}, "command", "word 1 must be text"),
    ({"app": "other"}, "app", "as in the path"),
    *[({name: 1}, name, f"did you mean {near}?") for name, near in [
        ("replica", "replicas"), ("ports", "port"), ("imgae", "image"), ("domain", "domains"), ("envs", "env"), ("Image", "image"),
        ("healthcheck", "health"), ("autoscaling", "autoscale"), ("stop_grace", "stop_grace_s"),
    ]],
]  # fmt: skip


async def test_every_field_said_wrong(served: Served) -> None:
    for fields, path, words in BAD:
        status, problem = await put(served, **fields)
        assert status == 400, (fields, problem)
        fault = problem["errors"][0]
        assert fault["path"] == path, (fields, fault)
        assert words in fault["message"], (fields, fault)
    assert served.controller.commands == []


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a.b", "must be a name such as"),
        ("a/b", "must be a name such as"),
        ("a%2Fb", "must be a name such as"),
        ("Shop", "must be a name such as"),
        ("-a", "must be a name such as"),
        ("a-", "must be a name such as"),
        ("a%09", "must be a name such as"),
        ("a%0a", "must be a name such as"),
        ("a%0ab", "must be a name such as"),
        ("a%22", "must be a name such as"),
        ("a%20b", "must be a name such as"),
        ("%C3%A9", "must be a name such as"),
        ("x" * 300, "at most 40"),
    ],
)
async def test_names_that_are_none(served: Served, name: str, words: str) -> None:
    from yarl import URL

    headers = {"Authorization": f"Bearer {served.secrets['admin']}", "Content-Type": "application/json"}
    url = URL(f"{served.url}/api/apps/{name}", encoded=True)
    async with aiohttp.ClientSession() as session, session.put(url, data=json.dumps(SHOP), headers=headers) as response:
        problem = await response.json()
    assert (response.status, problem["errors"][0]["path"]) == (400, "name")
    assert words in problem["errors"][0]["message"]


async def test_a_domain_of_another_app_is_a_conflict(served: Served) -> None:
    await put(served, domains=["a.example", "b.example/api"])
    assert (await put(served, "other", domains=["b.example"]))[0] == 201  # another path
    for domain in ("a.example", "A.EXAMPLE./", "b.example/api/"):
        status, told = await put(served, "third", domains=[domain])
        assert status == 409
        assert "is a domain of app shop" in told["detail"]
        assert (await ask(served, "POST", "/api/apps/third/plan", {**SHOP, "domains": [domain]}))[0] == 409
    assert (await put(served, domains=["a.example"]))[0] == 200


async def test_a_thousand_apps_with_routes_are_listed(served: Served) -> None:
    for at in range(1000):
        status, _ = await put(served, f"app-{at}", domains=[f"d{at}.example/p{at}"])
        assert status == 201
    _, listed = await ask(served, "GET", "/api/apps")
    assert listed["total"] == 1000


@pytest.mark.parametrize(
    ("path", "body", "where"),
    [
        ("scale", {}, "replicas"),
        ("scale", {"replicas": 101}, "replicas"),
        ("scale", {"replicas": 1, "x": 1}, "x"),
        ("rollback", {"release": 0}, "release"),
        ("canary", {"action": "stop"}, "action"),
        ("restart", {"x": 1}, "x"),
    ],
)
async def test_verbs_said_wrong(served: Served, path: str, body: dict[str, Any], where: str) -> None:
    await put(served)
    status, problem = await ask(served, "POST", f"/api/apps/shop/{path}", body)
    assert (status, problem["errors"][0]["path"]) == (400, where)
    assert (await ask(served, "POST", f"/api/apps/nobody/{path}", body))[0] == 400


async def test_the_schema_says_what_the_api_checks(served: Served) -> None:
    _, schema = await ask(served, "GET", "/api/schemas/app.json")
    assert (schema["required"], [one["required"] for one in schema["oneOf"]]) == (["app"], [["image"], ["build"]])
    assert schema["additionalProperties"] is False
    assert {"type": "integer", "minimum": 0, "maximum": 100} in schema["properties"]["replicas"]["anyOf"]


# --- followed ---


async def events_of(served: Served, path: str, last: str = "") -> AsyncIterator[tuple[str, str, Any]]:
    """(kind, id, data) of each event."""
    headers = {"Authorization": f"Bearer {served.secrets['viewer']}", "Accept": "text/event-stream"}
    if last:
        headers["Last-Event-ID"] = last
    async with aiohttp.ClientSession() as session, session.get(served.url + path, headers=headers) as response:
        assert response.status == 200, await response.text()
        fields: dict[str, str] = {}
        async for raw in response.content:
            name, colon, value = raw.decode().rstrip("\n").partition(": ")
            if colon and name:
                fields[name] = value
            elif not colon:
                if "event" in fields:
                    yield fields["event"], fields.get("id", ""), json.loads(fields["data"])
                fields = {}


async def test_an_app_is_watched_to_its_end(served: Served) -> None:
    await put(served, replicas=1)
    states: list[tuple[str, Any]] = []
    async with asyncio.timeout(30):
        async for kind, _, app in events_of(served, "/api/apps/shop/watch"):
            states.append((app["state"], app.get("release")))
            if kind == "end":
                break
            if app["state"] == "deploying":
                await run_replicas(served, 1)
            elif app["state"] == "live":
                await ask(served, "DELETE", "/api/apps/shop")
    assert states == [("deploying", None), ("live", 1), ("removed", None)]


async def test_events_and_an_app_by_one_connection(served: Served) -> None:
    await put(served, replicas=1)
    seen: list[str] = []
    async with asyncio.timeout(30):
        async for kind, id, told in events_of(served, "/api/events?app=shop"):
            seen.append(kind)
            if kind == "watched":
                assert (told["name"], id) == ("shop", "")
                if told["state"] == "deploying":
                    await run_replicas(served, 1)
                elif told["state"] == "live":
                    await ask(served, "DELETE", "/api/apps/shop")
            elif kind == "unwatched":
                break
    assert seen.count("watched") >= 2
    assert [kind for kind in seen if not kind.endswith("watched")] != []
    async with asyncio.timeout(30):
        async for kind, _, _ in events_of(served, "/api/events?app=nothing"):
            assert kind == "unwatched"
            break


async def write(served: Served, number: int, text: bytes, at: float, stream: Stream = Stream.STDOUT) -> None:
    app = served.controller.apps_now.get("shop")
    found = next(one for one in (*app.replicas, *app.past) if one.allocation.number == number)
    await served.controller.logs.write(found.id, text, stream, at=at)


async def text_of(served: Served, query: str = "") -> str:
    status, text = await ask(served, "GET", f"/api/apps/shop/logs{query}")
    assert status == 200, text
    return str(text)


async def test_output_is_merged_by_time_and_says_whose_it_is(served: Served) -> None:
    await put(served)
    await run_replicas(served, 2)
    await write(served, 1, b"one\n", 10)
    await write(served, 2, b"two\n", 20)
    await write(served, 1, b"three\nfo", 30)
    await write(served, 2, b"five\n", 40)
    assert await text_of(served) == "shop.1 | one\nshop.2 | two\nshop.1 | three\nshop.1 | fo\nshop.2 | five\n"
    assert await text_of(served, "?tail=2") == "shop.1 | fo\nshop.2 | five\n"
    assert await text_of(served, "?tail=0") == ""
    assert await text_of(served, "?replica=1") == "one\nthree\nfo"
    assert await text_of(served, "?replica=shop.2&tail=1") == "five\n"
    assert await text_of(served, "?grep=^t") == "shop.2 | two\nshop.1 | three\n"
    assert await text_of(served, "?since=1970-01-01T00:00:30Z") == "shop.1 | three\nshop.1 | fo\nshop.2 | five\n"
    assert await text_of(served, "?until=40&tail=2") == "shop.1 | three\nshop.1 | fo"
    assert await text_of(served, "?until=10") == ""
    for wrong in ("until=soon", "until=40&follow=true"):
        assert (await ask(served, "GET", f"/api/apps/shop/logs?{wrong}"))[1]["errors"][0]["path"] == "until"
    assert (await ask(served, "GET", "/api/apps/shop/logs?replica=9"))[0] == 404
    assert (await ask(served, "GET", "/api/apps/shop/logs?grep=("))[0] == 400
    assert (await ask(served, "GET", "/api/apps/shop/logs?repilca=1"))[1]["errors"][0]["message"].endswith("replica?")
    await served.controller.observe("shop", 1, state=AllocationState.FAILED)
    assert await text_of(served) == "shop.2 | two\nshop.2 | five\n"
    assert (await text_of(served, "?past=true")).startswith("shop.1 | one\n")
    await served.controller.observe("shop", 2, state=AllocationState.FAILED)
    assert await text_of(served) == "shop.2 | two\nshop.2 | five\n"  # the last that ended, where there is none


async def test_followed_output_goes_on_with_replicas_that_come_and_is_resumed(served: Served) -> None:
    await put(served)
    await run_replicas(served, 2)
    await write(served, 1, b"a\nunfini", 10)
    await write(served, 2, b"b\n", 20)
    lines: list[tuple[int, str]] = []
    last = ""
    async with asyncio.timeout(30):
        async for _, id, line in events_of(served, "/api/apps/shop/logs?follow=true"):
            lines.append((line["number"], line["text"]))
            if len(lines) == 2:
                await write(served, 1, b"shed\n", 30)
            if len(lines) == 3:
                await served.controller.place("shop", make_node())
                await write(served, 3, b"c\n", 40)
            if len(lines) == 4:
                last = id
                break
        assert lines == [(1, "a"), (2, "b"), (1, "unfinished"), (3, "c")]
        await served.controller.observe("shop", 2, state=AllocationState.FAILED)
        await served.controller.place("shop", make_node())
        await write(served, 4, b"d\n", 50)
        await write(served, 2, b"late\n", 60)
        seen = []
        async for kind, _, line in events_of(served, "/api/apps/shop/logs?follow=true&tail=1", last):
            if kind == "end":
                break
            seen.append((line["number"], line["text"]))
            if len(seen) == 2:
                await ask(served, "DELETE", "/api/apps/shop")
    assert seen == [(4, "d"), (2, "late")]
    assert (await ask(served, "GET", "/api/apps/shop/logs"))[0] == 404


async def test_a_made_up_position_is_refused(served: Served) -> None:
    await put(served)
    headers = {"Accept": "text/event-stream", "Last-Event-ID": "x"}
    assert (await ask(served, "GET", "/api/apps/shop/logs", **headers))[0] == 400


async def found_in(served: Served, query: str) -> list[tuple[int, int, bool]]:
    """(replica, line, match) of a search."""
    found = []
    async with asyncio.timeout(30):
        async for kind, _, line in events_of(served, f"/api/apps/shop/logs?{query}"):
            if kind == "end":
                break
            found.append((line["number"], line["line"], line["match"]))
    return found


async def test_a_search_shows_what_is_around_in_the_same_replica(served: Served) -> None:
    await put(served)
    await run_replicas(served, 2)
    for at in range(1, 21):
        await write(served, 1, f"{'needle' if at in (5, 7, 20) else 'hay'} {at}\n".encode(), at)
        await write(served, 2, f"{'needle' if at == 6 else 'straw'} {at}\n".encode(), at + 0.5)
    first = [(1, at, at in (5, 7)) for at in range(4, 9)]
    second = [(2, at, at == 6) for at in (5, 6, 7)]
    last = [(1, 19, False), (1, 20, True)]
    found = await found_in(served, "grep=needle&context=1&tail=100")
    assert [one for one in found if one[0] == 1] == first + last
    assert [one for one in found if one[0] == 2] == second
    assert found.index((1, 4, False)) < found.index((2, 5, False)) < found.index((1, 7, True)), "by time"
    assert await found_in(served, "grep=needle&context=1&tail=1") == last
    assert await found_in(served, "grep=needle&context=1&tail=100&replica=2") == second
    assert await found_in(served, "grep=nowhere&context=1&tail=100") == []
    text = await text_of(served, "?grep=needle&context=1&replica=2")
    assert text == "straw 5\nneedle 6\nstraw 7\n"


async def test_a_search_goes_on_with_what_is_around(served: Served) -> None:
    await put(served)
    await run_replicas(served, 2)
    await write(served, 1, b"hay 1\nneedle 2\n", 10)
    found, last = [], ""
    async with asyncio.timeout(30):
        async for _, last, line in events_of(served, "/api/apps/shop/logs?grep=needle&context=2&follow=true&tail=9"):  # noqa: B007 - read after the loop
            found.append((line["number"], line["line"], line["match"]))
            if len(found) == 2:
                await write(served, 1, b"hay 3\nhay 4\nhay 5\nhay 6\nhay 7\nneedle 8\nhay 9\n", 20)
            if len(found) == 8:
                break
    assert found == [(1, 1, False), (1, 2, True), *((1, at, at == 8) for at in (3, 4, 6, 7, 8, 9))]
    again = []
    async with asyncio.timeout(30):
        await write(served, 1, b"hay 10\nhay 11\nneedle 12\n", 30)
        path = "/api/apps/shop/logs?grep=needle&context=1&follow=true&tail=9"
        async for _, _, line in events_of(served, path, last):
            again.append((line["number"], line["line"], line["match"]))
            if len(again) == 2:
                break
    assert again == [(1, 11, False), (1, 12, True)]


# --- what an app did ---


async def test_what_an_app_did_is_told_in_steps(served: Served) -> None:
    _, made = await put(served)
    empty = await ask(served, "GET", "/api/apps/shop/metrics")
    assert empty == (200, {"items": [], "step_s": 10, "next": None, "total": 0})
    history, end = served.controller.history, clock.steady() // 60 * 60
    busy = AppSample(20.0, 0.5, 1.5, 0.25, 2.0**20, 1, 2)
    history.note(made["id"], busy, end - 60)
    history.note(made["id"], AppSample(0.0, 0.0, 0.0, NOT_KNOWN, NOT_KNOWN, 2, 2), end - 50)
    status, told = await ask(served, "GET", "/api/apps/shop/metrics")
    assert (status, told["step_s"]) == (200, 10)
    assert told["items"] == [
        {
            "at": clock.rfc3339(end - 60), "requests_per_s": 20.0, "errors_per_s": 0.5, "latency_ms": 75.0, "cpu_cores": 0.25,
            "memory_bytes": 2**20, "replicas_ready": 1, "replicas_wanted": 2,
        },
        {
            "at": clock.rfc3339(end - 50), "requests_per_s": 0.0, "errors_per_s": 0.0, "latency_ms": None, "cpu_cores": None,
            "memory_bytes": None, "replicas_ready": 2, "replicas_wanted": 2,
        },
    ]  # fmt: skip
    _, told = await ask(served, "GET", "/api/apps/shop/metrics?since=7d&step=60")
    assert (told["step_s"], [one["latency_ms"] for one in told["items"]]) == (900, [75.0])


async def test_what_an_app_did_is_for_its_project(served: Served) -> None:
    await put(served)
    key = await put_key(served.controller, "viewer", project="other")
    assert (await ask(served, "GET", "/api/apps/shop/metrics", key=key))[0] == 404
    assert (await ask(served, "GET", "/api/apps/none/metrics"))[0] == 404
    status, problem = await ask(served, "GET", "/api/apps/shop/metrics?since=soon")
    assert (status, problem["errors"][0]["path"]) == (400, "since")
