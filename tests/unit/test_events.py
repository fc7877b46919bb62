from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from afterwards.events import EarFailed, Event, Events, NobodyWorks, StoreBack


def deaf(event: Event) -> None:
    raise RuntimeError("this ear is broken")


def test_every_ear_hears_every_event_in_order():
    events, left, right = Events(), list[Event](), list[Event]()
    events.hear(left.append)
    events.hear(right.append)
    said: list[Event] = [NobodyWorks(), StoreBack(doing="add")]
    for event in said:
        events.say(event)
    assert left == right == said


def test_an_ear_hears_nothing_after_it_was_stopped():
    events, heard = Events(), list[Event]()
    stop = events.hear(heard.append)
    stop()
    stop()
    events.say(NobodyWorks())
    assert heard == []


def test_an_ear_that_raises_is_left_out_and_the_others_are_told():
    events, heard = Events(), list[Event]()
    events.hear(deaf)
    events.hear(heard.append)
    events.say(NobodyWorks())
    events.say(NobodyWorks())
    [failed] = [event for event in heard if isinstance(event, EarFailed)]
    assert "deaf" in failed.ear
    assert str(failed.error) == "this ear is broken"
    assert heard.count(NobodyWorks()) == 2


def test_ears_that_all_raise_harm_nobody():
    events = Events()
    events.hear(deaf)
    events.hear(deaf)
    events.say(NobodyWorks())
    events.say(NobodyWorks())


def test_an_ear_may_stop_itself_while_it_listens():
    events, heard = Events(), list[Event]()

    def once(event: Event) -> None:
        heard.append(event)
        stop()

    stop = events.hear(once)
    events.say(NobodyWorks())
    events.say(NobodyWorks())
    assert heard == [NobodyWorks()]


def test_many_threads_may_speak_at_once_to_an_ear_that_breaks():
    events = Events()
    for _ in range(50):
        events.hear(deaf)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: events.say(NobodyWorks()), range(50)))
    events.say(NobodyWorks())


def test_an_ear_for_a_kind_hears_what_is_of_that_kind():
    events, all_of_them, one = Events(), list[Event](), list[Event]()
    events.hear(all_of_them.append, Event)
    events.hear(one.append, NobodyWorks, StoreBack)
    events.say(NobodyWorks())
    events.say(EarFailed(ear="it", error=ValueError()))
    events.say(StoreBack(doing="add"))
    assert [type(event) for event in all_of_them] == [NobodyWorks, EarFailed, StoreBack]
    assert [type(event) for event in one] == [NobodyWorks, StoreBack]


def test_an_ear_that_comes_while_another_thread_looks_for_ears_hears_the_next_event():
    events, heard = Events(), list[Event]()

    class Interrupted(type):
        def __subclasscheck__(cls, kind: type) -> bool:
            if not heard and not events_heard_late:
                events_heard_late.append(events.hear(heard.append))
            return False

    class Slow(Event, metaclass=Interrupted):
        """While it is compared, somebody else comes."""

    events_heard_late: list[object] = []
    events.hear(deaf, Slow)
    events.say(NobodyWorks())
    events.say(NobodyWorks())
    assert heard == [NobodyWorks()]
