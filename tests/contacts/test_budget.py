"""Promise: no more look-ups a day than allowed, and a failing host is left alone ever longer."""

from abusewatch.contacts.budget import DAY_SECS, LONGEST_PAUSE_SECS, Budget, Pauses, StoredBudget


class Clock:
    now = 50.0

    def __call__(self):
        return self.now


def test_budget_is_never_exceeded_and_comes_back():
    clock = Clock()
    budget = Budget(5, clock)
    assert sum(budget.spend() for _ in range(100)) == 5
    clock.now += DAY_SECS - 1
    assert not budget.spend()
    clock.now += 1
    assert sum(budget.spend() for _ in range(100)) == 5


def test_nothing_may_be_asked_with_an_empty_budget():
    assert not Budget(0, Clock()).spend()


def test_pauses_grow_up_to_an_hour_and_end_with_an_answer():
    clock, lengths = Clock(), []
    pauses = Pauses(clock)
    for _ in range(20):
        pauses.failed("x")
        begun = clock.now
        while pauses.pausing("x"):
            clock.now += 1
        lengths.append(clock.now - begun)
    assert lengths[:4] == [60, 120, 240, 480]
    assert max(lengths) == LONGEST_PAUSE_SECS
    pauses.failed("x")
    pauses.answered("x")
    assert not pauses.pausing("x")
    assert not pauses.pausing("y")


def test_a_wish_is_obeyed_and_zero_is_not_a_licence():
    clock = Clock()
    pauses = Pauses(clock)
    pauses.failed("x", 0.0)
    assert pauses.pausing("x")
    clock.now += 1
    assert not pauses.pausing("x")
    pauses.failed("x", 600.0)
    clock.now += 599
    assert pauses.pausing("x")


def test_a_remembered_budget_asks_what_remembers():
    class Spending:
        asked = ()

        def spend(self, source, per_day, now_us):
            Spending.asked += ((source, per_day),)
            return len(self.asked) < 2

    budget = StoredBudget("rdap", 500, Spending())
    assert (budget.spend(), budget.spend()) == (True, False)
    assert Spending.asked == (("rdap", 500),) * 2
