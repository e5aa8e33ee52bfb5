"""nginx's configuration as text."""

from draas.ingress import nginx
from draas.ingress.nginx_proxy import _address
from draas.ingress.serving import CertificateFile, Listening, Serving
from draas.model.allocation import AllocationId
from draas.model.route import AppRoute, Endpoint, HostPath

SHOP = AppRoute(
    app="shop",
    hosts=(HostPath(host="a.b", path="/api"),),
    endpoints=(
        Endpoint(id=AllocationId("r1"), address="10.0.0.1:80", weight=7),
        Endpoint(id=AllocationId("r2"), address="10.0.0.2:80", draining=True),
    ),
    https_only=True,
)


def test_an_app() -> None:
    serving = Serving(
        listening=Listening(http_port=80, https_port=443),
        routes={"shop": SHOP},
        certificates=(CertificateFile(file="tls/x.pem", names=("*.b",)),),
    )
    text = nginx.render(serving)[nginx.CONFIG]
    upstream = text[text.index("  upstream") : text.index("  server {\n")]
    assert upstream == (
        "  upstream app_shop {\n"
        "    zone app_shop 64k;\n"
        "    least_conn;\n"
        "    server 10.0.0.1:80 weight=7 max_fails=1 fail_timeout=1s;\n"
        "    server unix:held/shop.sock backup;\n"
        "  }\n"
    )
    own = text[text.index("    server_name a.b;") :]
    assert own.startswith("    server_name a.b;\n    ssl_certificate tls/x.pem;\n    ssl_certificate_key tls/x.pem;\n")
    assert "    location /api/ {\n      if ($scheme = http) { return 308 https://$host$request_uri; }\n" in own
    assert "    location = /api {\n" in own


def test_addresses_of_the_kernel_are_read() -> None:
    assert _address("0100007F:1F90") == "127.0.0.1:8080"
    assert _address("0000000000000000FFFF00000100007F:0050") == "127.0.0.1:80"
