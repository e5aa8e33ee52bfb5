"""Writes the pages that are made from code: `python docs/generate.py`. A unit test says where that was forgotten."""

from pathlib import Path

from draas.model.allocation import ALLOCATION_TABLE
from draas.model.job import JOB_TABLE
from draas.model.node import NODE_TABLE
from draas.model.state import render_mermaid

HERE = Path(__file__).resolve().parent
STATES = "internals/states.md"
HEAD = """# States

Made from the tables in `draas.model` by `docs/generate.py`; do not edit. Every move in the program goes through `advance()`, which refuses what
is not drawn here. The first state of each table is where things usually begin.
"""
JOB = """A job that needs nothing begins as queued. It goes back to queued where an attempt failed or its machine was lost and another attempt is due.
What has ended can be asked for again. Short jobs may be over before their start was reported, so steps can be skipped.
"""
ALLOCATION = """One attempt of a job on one node. States only grow, whatever order reports arrive in; `lost` is what the controller says of an attempt whose node is gone.
"""
NODE = """Disconnected after the link was silent for 3 s, down after 6 s, by default. A node that left does not come back; the machine joins again as a new one.
"""


def render_states() -> str:
    """The page docs/internals/states.md."""
    parts = [
        ("Job", JOB, render_mermaid(JOB_TABLE)),
        ("Allocation", ALLOCATION, render_mermaid(ALLOCATION_TABLE)),
        ("Node", NODE, render_mermaid(NODE_TABLE)),
    ]
    return HEAD + "".join(f"\n## {name}\n\n{words}\n```mermaid\n{diagram}```\n" for name, words, diagram in parts)


if __name__ == "__main__":
    (HERE / STATES).write_text(render_states())
