"""The state machines as tables: what may follow what, and that an illegal move tells the object's story."""

from collections.abc import Mapping
from enum import StrEnum

import pytest

from draas.model.allocation import ALLOCATION_RANK, ALLOCATION_TABLE, AllocationState, Observed, is_news
from draas.model.job import JOB_ENDS, JOB_TABLE, JobState
from draas.model.node import NODE_TABLE, NodeState
from draas.model.state import IllegalMove, advance, is_final, render_mermaid

TABLES = {"job": JOB_TABLE, "allocation": ALLOCATION_TABLE, "node": NODE_TABLE}


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_every_state_has_its_row_and_can_be_reached(table: Mapping[StrEnum, frozenset[StrEnum]]) -> None:
    first, *_ = table
    assert set(table) == set(type(first))
    reached, edge = {first}, [first]
    while edge:
        fresh = table[edge.pop()] - reached
        reached |= fresh
        edge += fresh
    assert reached == set(table)


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_a_move_is_allowed_exactly_where_the_table_has_it(table: Mapping[StrEnum, frozenset[StrEnum]]) -> None:
    for old in table:
        for new in table:
            if new in table[old]:
                assert advance(table, old, new, None) is new
            else:
                with pytest.raises(IllegalMove):
                    advance(table, old, new, None)


def test_an_illegal_move_tells_the_story() -> None:
    with pytest.raises(IllegalMove, match=r"JobState cannot go from waiting to running: 'j1 and all of it'"):
        advance(JOB_TABLE, JobState.WAITING, JobState.RUNNING, "j1 and all of it")


def test_allocations_only_go_forward() -> None:
    for old, followers in ALLOCATION_TABLE.items():
        assert all(ALLOCATION_RANK[new] > ALLOCATION_RANK[old] for new in followers)


def test_an_allocation_that_has_ended_stays_so() -> None:
    assert {state for state in AllocationState if is_final(ALLOCATION_TABLE, state)} == {
        AllocationState.SUCCEEDED,
        AllocationState.FAILED,
        AllocationState.STOPPED,
        AllocationState.LOST,
    }


def test_a_job_that_has_ended_only_begins_again() -> None:
    assert {new for end in JOB_ENDS for new in JOB_TABLE[end]} == {JobState.WAITING, JobState.QUEUED}


def test_a_node_that_left_does_not_come_back() -> None:
    assert is_final(NODE_TABLE, NodeState.LEFT)


@pytest.mark.parametrize("old", list(AllocationState))
@pytest.mark.parametrize("new", list(AllocationState))
def test_news_is_what_the_table_allows(old: AllocationState, new: AllocationState) -> None:
    allowed = new in ALLOCATION_TABLE[old]
    assert is_news(Observed(state=old), Observed(state=new)) == allowed


def test_more_about_the_same_state_is_news_and_the_same_again_is_not() -> None:
    old = Observed(state=AllocationState.PREPARING, detail="pulling 1 %")
    assert is_news(old, Observed(state=AllocationState.PREPARING, detail="pulling 2 %"))
    assert not is_news(old, old)


def test_the_picture_has_every_move() -> None:
    picture = render_mermaid(NODE_TABLE)
    assert picture.count(" --> ") == 1 + sum(len(followers) or 1 for followers in NODE_TABLE.values())
    assert "    disconnected --> down\n" in picture
