"""Nodes, joining, keys, metrics and the description, over HTTP."""

import re
from dataclasses import replace

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from draas.client.api import Client
from draas.client.settings import Settings
from draas.lib import clock, ids
from draas.model.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated
from draas.model.node import Load
from draas.server.api.config import ApiConfig
from draas.store.store import Token, Write
from draas.testing.api import Served, make_node, serve_api


@pytest.fixture
async def served():
    async with serve_api(ApiConfig(url="https://c.example:8000", fingerprint="ab" * 32, ca_pem="PEM")) as started:
        yield started


@pytest.fixture
async def client(served: Served):
    async with Client(served.settings(), patience_s=0) as opened:
        yield opened


async def test_nodes_are_shown_labelled_drained_removed(served: Served, client: Client) -> None:
    await served.controller.put_node(make_node("node-b"))
    await served.controller.put_node(make_node("node-a"))
    nodes = await client.nodes()
    assert [node["name"] for node in nodes["items"]] == ["node-a", "node-b"]
    node = await client.node("node-a")
    assert node == await client.node("n-node-a") == nodes["items"][0]
    assert node["capacity"] == {"cpu_cores": 4, "memory_mb": 8192, "gpus": 0}
    assert node["last_seen"] == "2001-09-09T01:48:20.000Z"
    patched = await client.patch_node("node-a", labels={"rack": "1", "disk": "hdd"}, state="draining")
    assert (patched["labels"], patched["state"]) == ({"rack": "1", "disk": "hdd"}, "draining")
    patched = await client.patch_node("node-a", labels={"rack": None, "disk": None}, state="ready")
    assert (patched["labels"], patched["state"]) == ({"disk": "ssd"}, "ready")
    await client.remove_node("node-a")
    with pytest.raises(NotFound, match="node-a"):
        await client.node("node-a")
    with pytest.raises(Invalid, match="ready"):
        await client.patch_node("node-b", state="down")
    with pytest.raises(Invalid, match="label name"):
        await client.patch_node("node-b", labels={"bad name": "1"})


async def test_what_jobs_hold_is_shown_as_used(served: Served, client: Client) -> None:
    node = make_node()
    await served.controller.put_node(node)
    job = await client.submit({"command": "x", "resources": {"cpu_cores": 1.5, "memory_mb": 512}})
    await served.controller.start(job["id"], node)
    assert (await client.node("node-a"))["used"] == {"cpu_cores": 1.5, "memory_mb": 512, "gpus": 0}


async def test_a_token_joins_one_machine(served: Served, client: Client) -> None:
    made = await client.make_join_token(ttl_s=60)
    assert made["command"] == f"draas join https://c.example:8000 {made['token']}"
    assert made["token"].endswith("." + "ab" * 32)
    async with Client(Settings(url=served.url), patience_s=0) as stranger:
        joined = await stranger.join(made["token"], "node-a")
        assert joined["ca"] == "PEM"
        key = served.controller.key(ids.digest(joined["key"]))
        assert key is not None
        assert (key.role, key.node_id, key.name) == ("node", joined["node_id"], "node-a")
        with pytest.raises(Unauthenticated, match="used already"):
            await stranger.join(made["token"], "node-b")
        for wrong in ("join_x", "join_x.abc", "%", "."):
            with pytest.raises(Unauthenticated):
                await stranger.join(wrong, "node-b")
    async with Client(Settings(url=served.url, key=joined["key"]), patience_s=0) as node:
        with pytest.raises(Forbidden):
            await node.jobs()


async def test_an_expired_token_says_so(served: Served, client: Client) -> None:
    await served.controller.write(Write(tokens=(Token(digest=ids.digest("join_old"), expires_at=1.0),)))
    with pytest.raises(Unauthenticated, match="expired at 1970"):
        await client.join("join_old", "node-a")


async def test_joining_again_with_the_old_key_keeps_the_identity(served: Served, client: Client) -> None:
    first = await client.join((await client.make_join_token())["token"], "node-a")
    again = await client.join((await client.make_join_token())["token"], "node-a", key=first["key"])
    assert (again["node_id"], again["key"]) == (first["node_id"], first["key"])
    fresh = await client.join((await client.make_join_token())["token"], "node-a")  # it never came: its name is free
    assert fresh["node_id"] != first["node_id"]
    assert served.controller.key(ids.digest(first["key"])) is None
    await served.controller.put_node(make_node("taken"))
    with pytest.raises(Conflict, match="taken"):
        await client.join((await client.make_join_token())["token"], "taken")


async def test_a_repeated_join_gets_the_same_answer(served: Served, client: Client) -> None:
    token = (await client.make_join_token())["token"]
    answers = []
    async with aiohttp.ClientSession(served.url) as session:
        for key in ("k1", "k1", "k2"):
            body = {"token": token, "name": "node-a"}
            async with session.post("/api/join", json=body, headers={"Idempotency-Key": key}) as response:
                answers.append((response.status, await response.json()))
    assert answers[0] == answers[1]
    assert (answers[0][0], answers[2][0]) == (201, 401)


async def test_keys_are_made_used_revoked(served: Served, client: Client) -> None:
    made = await client.make_key("viewer", name="ci", project="red", ttl_s=3600)
    listed = await client.keys()
    assert made["key"] not in str(listed)
    assert {name: value for name, value in made.items() if name != "key"} in listed["items"]
    settings = Settings(url=served.url, key=made["key"])
    async with Client(settings, patience_s=0) as viewer:
        assert (await viewer.jobs())["total"] == 0
        await client.revoke_key(made["id"])
        with pytest.raises(Unauthenticated):
            await viewer.jobs()
    with pytest.raises(NotFound):
        await client.revoke_key(made["id"])
    admin = next(key for key in listed["items"] if key["role"] == "admin")
    with pytest.raises(Conflict, match="last admin"):
        await client.revoke_key(admin["id"])
    node = next(key for key in listed["items"] if key["role"] == "node")
    with pytest.raises(Conflict, match="remove the node"):
        await client.revoke_key(node["id"])


async def test_metrics_are_prometheus_text(served: Served, client: Client) -> None:
    node = make_node()
    await served.controller.put_node(replace(node, load=Load(received_bytes_per_s=5.5)))
    await client.submit({"command": "x"})
    families = {family.name: family for family in text_string_to_metric_families(await client.metrics())}

    def value(name: str, **labels: str) -> float:
        return next(one.value for one in families[name].samples if one.labels == labels)

    assert value("draas_jobs", state="queued") == 1
    assert value("draas_builds", state="queued") == 0
    assert value("draas_nodes", state="ready") == 1
    assert (value("draas_cpu_cores_total"), value("draas_cpu_cores_reserved")) == (4, 0)
    assert value("draas_node_cpu_percent", node="node-a") == 0
    assert value("draas_node_network_received_bytes_per_s", node="node-a") == 5.5
    assert families["draas_node_network_sent_bytes_per_s"].samples == []  # not measured
    assert value("draas_queue_length") == 1


async def test_the_api_describes_itself(served: Served, client: Client) -> None:
    document = await client.openapi()
    refs = set(re.findall(r"#/components/schemas/(\w+)", str(document)))
    assert refs <= set(document["components"]["schemas"])
    assert document["paths"]["/healthz"]["get"]["security"] == []
    assert set(document["paths"]["/api/jobs"]) == {"get", "post"}
    assert "422" not in str(document["paths"])
    headers = {"Authorization": f"Bearer {served.secrets['viewer']}"}
    async with aiohttp.ClientSession(served.url, headers=headers) as session, session.get("/docs") as response:
        page = await response.text()
    assert "POST /api/jobs/batch" in page
    assert "<script" not in page


async def test_a_node_has_a_history_of_its_load(served: Served, client: Client) -> None:
    node = make_node()
    await served.controller.put_node(node)
    headers = {"Authorization": f"Bearer {served.secrets['viewer']}"}
    end = clock.steady() // 100 * 100
    begin = end - 4_000
    for second in range(0, 4_000, 5):
        load = Load(cpu_percent=second % 100, memory_used_bytes=second, received_bytes_per_s=2.0 * second)
        served.controller.history.note_load(node.id, load, begin + second)
    async with aiohttp.ClientSession(served.url, headers=headers) as session:

        async def ask(**query: str) -> dict:
            async with session.get("/api/nodes/node-a/metrics", params=query) as response:
                return await response.json()

        hour = await ask()
        assert 348 <= hour["total"] == len(hour["items"]) <= 360  # every 10 s, of at most an hour
        assert hour["step_s"] == 10
        assert hour["items"][-1] == {
            "at": clock.rfc3339(end - 10), "cpu_percent": 92.5, "memory_used_bytes": 3992, "disk_used_bytes": 0, "load_1m": 0.0,
            "received_bytes_per_s": 7985.0, "sent_bytes_per_s": None,
        }  # fmt: skip
        means = await ask(step="100", since=str(int(begin + 3_800)))
        assert [item["memory_used_bytes"] for item in means["items"]] == [3848, 3948]
        assert (await ask(since="5w"))["errors"][0]["path"] == "since"
        assert ((await ask(since="1d"))["step_s"], (await ask(since="35d"))["step_s"]) == (60, 900)
        assert (await ask(since=str(int(end + 5000))))["items"] == []
        assert (await ask(step="1"))["errors"][0]["path"] == "step"
        assert (await ask(since="soon"))["errors"][0]["path"] == "since"
        async with session.get("/api/nodes/node-b/metrics") as response:
            assert response.status == 404
