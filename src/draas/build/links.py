"""Where symbolic links lead, worked out on names alone, so that it is known before any of them is made. Pure."""

from collections.abc import Mapping

MOST_HOPS = 40  # what Linux follows


def where_leads(link: str, links: Mapping[str, str]) -> str | None:
    """The path, relative to the root, where `link` ends when all of `links` (path > target) are there; "" is the root itself.

    None where it leads out of the root, or in a circle.
    """
    at: list[str] = list(link.split("/")[:-1])
    todo = _steps(links[link])
    hops = 0
    if links[link].startswith("/"):
        return None
    while todo:
        step = todo.pop()
        if step == "..":
            if not at:
                return None
            at.pop()
            continue
        at.append(step)
        target = links.get("/".join(at))
        if target is None:
            continue
        hops += 1
        if hops > MOST_HOPS or target.startswith("/"):
            return None
        at.pop()
        todo += _steps(target)
    return "/".join(at)


def _steps(target: str) -> list[str]:
    """The parts of `target`, the first one last."""
    return [part for part in reversed(target.split("/")) if part not in ("", ".")]
