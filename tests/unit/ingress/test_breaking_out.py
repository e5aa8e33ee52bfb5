"""Nothing that a user names gets out of its place in a configuration."""

import re

from hypothesis import given
from hypothesis import strategies as st

from draas.ingress import haproxy, nginx
from draas.ingress.checks import check_route, good_challenges
from draas.ingress.haproxy_slots import fill_slots
from draas.ingress.serving import Listening, Serving
from draas.ingress.table import admit
from draas.model.allocation import AllocationId
from draas.model.route import AppRoute, Endpoint, HostPath

LISTENING = Listening(http_port=80, https_port=443)
nasty = st.text(alphabet=st.sampled_from("ab0.-/:\n\r\t\0 '\"#{};$\\%[]()*é"), max_size=12)
word = st.one_of(nasty, st.from_regex(r"[a-z0-9]{1,8}", fullmatch=True))
routes = st.builds(
    AppRoute,
    app=word,
    hosts=st.lists(
        st.builds(HostPath, host=word, path=st.one_of(word, word.map(lambda tail: f"/{tail}"))), max_size=2
    ).map(tuple),
    endpoints=st.lists(
        st.builds(
            Endpoint,
            id=word.map(AllocationId),
            address=st.one_of(word, st.just("10.0.0.1:80"), word.map(lambda tail: f"10.0.0.1:80{tail}")),
            weight=st.integers(-5, 300),
        ),
        max_size=2,
    ).map(tuple),
    check_path=st.one_of(st.none(), word.map(lambda tail: f"/{tail}")),
)
BAD = re.compile(r"[\s'\"#{};$\\%*\0]")


@given(route=routes)
def test_what_is_admitted_holds_no_character_that_means_something(route: AppRoute) -> None:
    admitted = admit({route.app: route}, {})
    assert bool(admitted.routes) != bool(admitted.faults)
    for kept in admitted.routes.values():
        words = [
            kept.app,
            kept.check_path or "/",
            *(e.id for e in kept.endpoints),
            *(e.address for e in kept.endpoints),
        ]
        words += [text for at in kept.hosts for text in (at.host, at.path)]
        assert not [text for text in words if BAD.search(text)]


@given(route=routes)
def test_a_route_adds_only_its_own_lines(route: AppRoute) -> None:
    if check_route(route):
        return
    serving = Serving(listening=LISTENING, routes={route.app: route})
    files = haproxy.render(serving, {route.app: fill_slots((), route)}).files
    text = files[haproxy.CONFIG]
    lines = text[text.index("\nbackend app_") :].split("\n")
    known = re.compile(
        r"|(backend (app|held)|listen last)_\S+"
        r"|  (bind unix@run/last_[a-z0-9-]+\.sock mode 600|retries \d+|retry-on conn-failure|option allbackups|balance \S+|option httpchk|http-check send meth GET uri \S+ ver HTTP/1.1 hdr Host \S+|server .*)"
    )
    assert all(known.fullmatch(line) for line in lines)
    assert all(len(line.split(" ")) == 2 for line in files[haproxy.ROUTES].splitlines())
    assert len(files[haproxy.ROUTES].splitlines()) == len({haproxy.key_of(at.host, at.path) for at in route.hosts})
    conf = nginx.render(serving)[nginx.CONFIG]
    assert conf.count("{") == conf.count("}")


@given(token=word, answer=word)
def test_challenges_are_base64url_or_nothing(token: str, answer: str) -> None:
    assert not [text for pair in good_challenges({token: answer}).items() for text in pair if BAD.search(text)]
