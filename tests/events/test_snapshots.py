"""The cache of folded states keeps what was used last."""

from events.snapshots import StateCache


def test_a_state_is_kept_by_organisation_and_stream():
    cache = StateCache[int](3)
    cache.put("org_1", "a", 1)
    cache.put("org_2", "a", 2)
    assert (cache.get("org_1", "a"), cache.get("org_2", "a"), cache.get("org_1", "b")) == (1, 2, None)
    cache.put("org_1", "a", 3)
    assert (cache.get("org_1", "a"), len(cache)) == (3, 2)


def test_the_state_that_was_not_used_for_longest_makes_room():
    cache = StateCache[str](2)
    for stream in "ab":
        cache.put("org_1", stream, stream)
    cache.get("org_1", "a")
    cache.put("org_1", "c", "c")
    assert [cache.get("org_1", stream) for stream in "abc"] == ["a", None, "c"]


def test_an_evicted_state_is_gone_and_may_be_evicted_again():
    cache = StateCache[str](2)
    cache.put("org_1", "a", "a")
    for _ in range(2):
        cache.evict("org_1", "a")
    assert cache.get("org_1", "a") is None
    assert len(cache) == 0


def test_a_cache_without_room_keeps_nothing():
    cache = StateCache[str](0)
    cache.put("org_1", "a", "a")
    assert cache.get("org_1", "a") is None
