import multiprocessing
import pickle

import numpy as np
import pytest

from datasets.image_cache import ImageCache

MIB = 1 / 1024


def picture(value, size=1000, dtype=np.uint8):
    return np.full(size, value, dtype)


def test_an_array_is_made_once_and_comes_back_as_it_was():
    cache = ImageCache(MIB)
    made = []

    def make(key):
        made.append(key)
        return np.arange(12, dtype=np.float32).reshape(3, 4) + key

    for _ in range(2):
        for key in range(5):
            kept = cache.get(key, lambda key=key: make(key))
            assert kept.dtype == np.float32
            assert np.array_equal(kept, np.arange(12).reshape(3, 4) + key)
    assert made == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("size", [1, 999, 70_000, 300_000, 2**20])
def test_memory_stays_within_the_budget_and_recent_arrays_are_kept(size):
    cache = ImageCache(MIB)
    for key in range(40):
        assert (cache.get(key, lambda key=key: picture(key, size)) == key).all()
        assert cache.used <= cache.budget

    def fail():
        raise AssertionError("the newest array was dropped")

    assert (cache.get(39, fail) == 39).all()


def test_arrays_in_use_survive_being_dropped():
    cache = ImageCache(MIB)
    cache.get("first", lambda: picture(7, 200_000))
    first = cache.get("first", lambda: picture(9, 200_000))
    for key in range(20):
        cache.get(key, lambda key=key: picture(key, 200_000))
    assert (first == 7).all()
    assert (cache.get("first", lambda: picture(8, 200_000)) == 8).all()


def test_what_does_not_fit_is_passed_through():
    cache = ImageCache(MIB)
    large = picture(1, 2**21)
    assert cache.get("large", lambda: large) is large
    assert cache.used == 0
    nothing = ImageCache(0.0)
    assert (nothing.get(1, lambda: picture(3)) == 3).all()
    assert (nothing.get(1, lambda: picture(4)) == 4).all()
    assert cache.get("empty", lambda: picture(0, 0)).size == 0


def test_a_worker_process_begins_with_an_empty_cache_of_the_same_budget():
    cache = ImageCache(MIB)
    cache.get("key", lambda: picture(1))
    again = pickle.loads(pickle.dumps(cache))
    assert again.budget == cache.budget
    assert (again.get("key", lambda: picture(2)) == 2).all()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_forked_workers_do_not_share_what_is_kept():
    cache = ImageCache(MIB)
    cache.get("key", lambda: picture(1))

    def overwrite():
        cache.get("key", lambda: picture(1))[:] = 2

    worker = multiprocessing.get_context("fork").Process(target=overwrite)
    worker.start()
    worker.join()
    assert worker.exitcode == 0
    assert (cache.get("key", lambda: picture(3)) == 1).all()
