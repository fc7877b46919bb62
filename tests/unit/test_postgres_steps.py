"""What follows, through any web of steps, from the end of some tasks and from their retry."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from afterwards.ids import new_id
from afterwards.links import Link
from afterwards.stores.postgres.steps import Step, moves_again, moves_on
from afterwards.tasks import State, TaskId

ENDED = (State.DONE, State.FAILED, State.CANCELLED)


class Web:
    """Tasks without needs, in any state, and steps of which each needs some of those before it."""

    def __init__(self, states: list[State], needs: list[tuple[set[int], bool]]) -> None:
        ids = [new_id() for _ in range(len(states) + len(needs))]
        self.states = dict(zip(ids, states, strict=False))
        self.links: dict[TaskId, Link] = {}
        for place, (some, anyway) in enumerate(needs, start=len(states)):
            needed = tuple(ids[one % place] for one in sorted(some))
            self.links[ids[place]] = Link(chain=ids[0], needs=tuple(dict.fromkeys(needed)), anyway=anyway)
            self.states[ids[place]] = State.WAITING

    def may_start(self, id: TaskId, states: Mapping[TaskId, State]) -> bool | None:
        """None: not yet."""
        needs = [states[need] for need in self.links[id].needs]
        if not all(need.ended for need in needs):
            return None
        return self.links[id].anyway or all(need is State.DONE for need in needs)


webs = st.builds(
    Web,
    st.lists(st.sampled_from((*ENDED, State.WAITING, State.RUNNING)), min_size=1, max_size=6),
    st.lists(st.tuples(st.sets(st.integers(0, 99), min_size=1, max_size=4), st.booleans()), max_size=8),
)


@given(webs, st.data())
def test_after_some_have_ended_every_step_stands_by_the_rule(web: Web, data: st.DataObject):
    ended = {id for id, state in web.states.items() if state.ended}
    # Before, each was held after something that had not ended, or that ends now.
    former = {id: data.draw(st.sampled_from(link.needs)) for id, link in web.links.items()}
    steps = [Step(id, former[id], link) for id, link in web.links.items()]
    moves = moves_on(steps, ended, web.states)
    for id, after in former.items():
        may_start = web.may_start(id, moves.states)
        waits_for = moves.waiting.get(id, after)
        if after not in ended and after not in moves.broken:
            assert id not in {*moves.free, *moves.broken, *moves.waiting}
        elif may_start is None:
            assert not moves.states[waits_for].ended
        else:
            assert (id in moves.free, id in moves.broken) == (may_start, not may_start)
        assert (moves.states[id] is State.CANCELLED) is (id in moves.broken)


@given(webs)
def test_every_step_that_is_moved_goes_back_to_one_that_ended(web: Web):
    ended = {id for id, state in web.states.items() if state.ended}
    moves = moves_on([Step(id, link.needs[-1], link) for id, link in web.links.items()], ended, web.states)
    assert {*moves.waiting, *moves.broken, *moves.free} <= moves.roots.keys()
    assert set(moves.roots.values()) <= ended
    assert moves.waiting.keys() & moves.broken.keys() == set()
    assert set(moves.free) & {*moves.waiting, *moves.broken} == set()


@given(webs)
def test_whatever_was_given_up_waits_again_with_what_it_was_given_up_for(web: Web):
    links = {id: link for id, link in web.links.items() if not link.anyway}
    heads = {id: Step(id, None, Link(chain=id)) for id in web.states if id not in web.links}
    states = {id: State.FAILED if id in heads else State.CANCELLED for id in web.states}
    broken = {id: Step(id, link.needs[0], link) for id, link in links.items()}
    asked = [next(iter(heads))]
    again = moves_again(asked, {**heads, **broken}, broken.keys(), states)
    assert (again.free, again.held) == (asked, [])
    waiting = {*asked, *again.waiting}
    for id, link in links.items():
        assert (id in again.waiting) is (link.needs[0] in waiting)
        assert again.waiting.get(id, asked[0]) in waiting


@given(st.booleans())
def test_a_step_is_not_retried_while_what_it_needs_is_not_done(first_too: bool):
    one, two = new_id(), new_id()
    steps = {one: Step(one, None, Link(chain=one)), two: Step(two, one, Link(chain=one, needs=(one,)))}
    asked = [one, two] if first_too else [two]
    again = moves_again(asked, steps, {two}, {one: State.FAILED, two: State.CANCELLED})
    assert again.free == asked[:-1]
    assert (again.held, again.waiting) == ([], {two: one} if first_too else {})
