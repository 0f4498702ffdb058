"""A limit a name: some at once, then so many a second, in bounded memory."""

from abusewatch.web.limiter import Limiter


def test_some_at_once_then_as_time_goes_by():
    limiter = Limiter(rate=0.5, burst=3)
    assert [limiter.allows("a", 0) for _ in range(5)] == [True, True, True, False, False]
    assert limiter.allows("b", 0)
    assert [limiter.allows("a", 2.0), limiter.allows("a", 2.0)] == [True, False]
    assert [limiter.allows("a", 1000) for _ in range(4)] == [True, True, True, False]


def test_names_are_bounded():
    limiter = Limiter(rate=0, burst=1, names=10)
    for n in range(1000):
        limiter.allows(f"name {n}", 0)
    assert len(limiter._buckets) == 10
    assert not limiter.allows("name 999", 0)
    assert limiter.allows("name 0", 0)
