"""Port and password: made once, kept for the agent's user alone, and what happens when the port is taken."""

import socket
from pathlib import Path

from draas.agent.images.door import FILE, open_door


def test_port_and_password_are_the_same_after_a_restart(tmp_path: Path) -> None:
    first, login = open_door(tmp_path)
    first.close()
    second, again = open_door(tmp_path)
    second.close()
    assert again == login
    assert login.host == f"127.0.0.1:{first_port(login.host)}"
    assert len(login.password) >= 32
    assert login.password not in repr(login)
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def first_port(host: str) -> int:
    return int(host.rpartition(":")[2])


def test_a_port_that_is_taken_is_left_for_another(tmp_path: Path) -> None:
    first, login = open_door(tmp_path)
    first.close()
    with socket.create_server(("127.0.0.1", first_port(login.host))):
        second, other = open_door(tmp_path)
    second.close()
    assert other.host != login.host
    assert other.password == login.password
    third, kept = open_door(tmp_path)
    third.close()
    assert kept == other


def test_a_damaged_file_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"\xff{")
    (tmp_path / FILE).chmod(0o644)
    opened, login = open_door(tmp_path)
    opened.close()
    assert login.password
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
