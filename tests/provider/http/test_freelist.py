import pytest

from batchgen.provider.http.freelist import FreeList, Origin

HERE = Origin("http", "here.test", 80)
THERE = Origin("http", "there.test", 80)


class Socket:
    def __init__(self, *, alive=True):
        self.alive = alive

    def is_alive(self):
        return self.alive


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def idle(clock):
    return FreeList(4.0, clock)


def proven(idle, *sockets):
    idle.answered(HERE)
    for socket in sockets:
        idle.put(HERE, socket)


def test_the_last_one_in_is_the_first_one_out(idle):
    old, new = Socket(), Socket()
    proven(idle, old, new)
    assert [idle.take(HERE).connection, idle.take(HERE).connection] == [new, old]


def test_an_origin_gets_only_its_own_connections(idle):
    proven(idle, Socket())
    assert idle.take(THERE).connection is None
    assert len(idle) == 1


def test_what_idled_too_long_is_handed_back_to_be_closed(idle, clock):
    old = Socket()
    proven(idle, old)
    clock.now += 4.0
    taken = idle.take(HERE)
    assert (taken.connection, taken.dead, len(idle)) == (None, [old], 0)


def test_what_idled_too_long_is_given_up_at_once_and_nothing_younger(idle, clock):
    old, young, elsewhere = Socket(), Socket(), Socket()
    proven(idle, old)
    idle.put(THERE, elsewhere)
    clock.now += 3.0
    proven(idle, young)
    clock.now += 1.0
    assert (idle.expired(), len(idle)) == ([old, elsewhere], 1)
    assert idle.take(HERE).connection is young


def test_what_died_meanwhile_is_handed_back_and_the_next_one_taken(idle, clock):
    alive, dead = Socket(), Socket(alive=False)
    proven(idle, alive)
    clock.now += 1
    proven(idle, dead)
    clock.now += 2.5
    taken = idle.take(HERE)
    assert taken.dead == [dead, alive], "closed after at most 2.5 s: one idle for 3.5 s is not trusted either"


def test_a_stranger_gets_one_request_on_a_used_connection_until_it_was_answered(idle):
    first, second = Socket(), Socket()
    idle.put(HERE, first)
    idle.put(HERE, second)
    assert idle.take(HERE).connection is second
    assert idle.take(HERE).connection is None
    idle.answered(HERE)
    idle.put(HERE, second)
    assert idle.take(HERE).connection is second
    assert idle.take(HERE).connection is first


def test_an_origin_that_closes_at_once_is_not_trusted_for_a_minute(idle, clock):
    proven(idle, Socket())
    idle.lost(HERE, idle_for_s=0.001)
    clock.now += 0.001
    assert idle.take(HERE).connection is None
    clock.now += 61
    idle.put(HERE, fresh := Socket())
    assert idle.take(HERE).connection is fresh


def test_the_oldest_makes_room(idle):
    old, new = Socket(), Socket()
    proven(idle, old, new)
    assert [idle.oldest(), idle.oldest(), idle.oldest()] == [old, new, None]


def test_a_trial_that_taught_nothing_may_be_repeated(idle):
    first, second = Socket(), Socket()
    idle.put(HERE, first)
    idle.put(HERE, second)
    assert idle.take(HERE).connection is second
    idle.unsettled(HERE)
    assert idle.take(HERE).connection is first
