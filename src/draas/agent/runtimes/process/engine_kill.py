"""Kill a container through its engine's API: all that the supervisor needs of HTTP. It runs in a child of the supervisor.

Source: Docker Engine API 1.41, POST /containers/{id}/kill (204 killed, 404 no such container, 409 not running).
"""

import socket
from urllib.parse import quote

TIMEOUT_S = 5.0


def render_kill(container: str) -> bytes:
    """The request, as sent."""
    target = f"/v1.41/containers/{quote(container, safe='')}/kill?signal=KILL"
    return f"POST {target} HTTP/1.1\r\nHost: engine\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()


def parse_killed(answer: bytes) -> bool:
    """Whether the answer's first line says that the container does not run any more."""
    words = answer.split(b"\r\n", 1)[0].split()
    return len(words) >= 2 and words[1] in (b"204", b"404", b"409")


def kill_container(path: str, container: str) -> bool:
    """Ask the engine at the unix socket `path`; False where it cannot be reached or refuses."""
    try:
        with socket.socket(socket.AF_UNIX) as engine:
            engine.settimeout(TIMEOUT_S)
            engine.connect(path)
            engine.sendall(render_kill(container))
            return parse_killed(engine.recv(4096))
    except OSError:
        return False
