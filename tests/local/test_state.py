"""StateManager: values under names, in memory and in a file."""

import math
import pickle
import sqlite3
import sys
import threading
from contextlib import closing
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from strategies import same, values

from lokki_tf import StateManager
from lokki_tf.errors import OptionError, SerializationError, StateError
from lokki_tf.local.state import Kept, digest_of
from lokki_tf.runtime.envelope import freeze


class Clock:
    """Stands until it is moved."""

    def __init__(self):
        self.now = 1_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(params=["memory", "file"])
def make(request, tmp_path, clock):
    """Makes a state, in memory or in a file of its own."""
    made = []

    def state(**options):
        path = tmp_path / f"{len(made)}.db" if request.param == "file" else None
        made.append(StateManager(path, **{"clock": clock, **options}))
        return made[-1]

    yield state
    for one in made:
        one.close()


@pytest.fixture
def state(make):
    return make()


def test_what_was_set_is_got(state):
    """A value comes back under its key, and a later one in its place."""
    state.set("a", [1, 2])
    assert state.get("a") == [1, 2]
    state.set("a", "other")
    assert state.get("a") == "other"


def test_a_default_stands_for_what_is_not_there(state):
    """Where there is no value, get returns the default, which is None if left out."""
    assert state.get("a") is None
    assert state.get("a", 7) == 7


def test_none_is_a_value(state):
    """None can be stored: it is there, and not the default."""
    state.set("a", None)
    assert state.has("a")
    assert "a" in state
    assert state.get("a", 7) is None
    assert state.get_all() == {"a": None}


def test_delete_tells_whether_there_was_something(state):
    """A key can be deleted once."""
    state.set("a", 1)
    assert state.delete("a") is True
    assert state.delete("a") is False
    assert not state.has("a")


def test_all_values_come_by_their_keys(state):
    """get_all returns every value, in the order of the keys."""
    state.set("b", (1, 2))
    state.set("a", {3: 4})
    assert list(state.get_all().items()) == [("a", {3: 4}), ("b", (1, 2))]


def test_clear_deletes_all(state):
    """After clear there is nothing, of steps neither."""
    state.set("a", 1)
    state.keep("a", "json.gz", b"", digest=digest_of("json.gz", b""))
    state.clear()
    assert state.get_all() == {}
    assert state.recall("a") is None


def test_values_are_copies(state):
    """Who changes what was stored, or what was got, changes nothing that is stored."""
    rows = [1]
    state.set("a", rows, metadata={"rows": rows})
    rows.append(2)
    state.get("a").append(3)
    state.get_metadata("a")["rows"].append(4)
    assert state.get("a") == [1]
    assert state.get_metadata("a")["rows"] == [1]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(value=values)
def test_values_keep_their_types(state, value):
    """Whatever travels between steps is stored exactly, types included."""
    state.set("a", value, metadata={"value": value})
    assert same(state.get("a"), value)
    assert same(state.get_metadata("a")["value"], value)


@pytest.mark.parametrize("key", ["", "é", "\x00", "\ud800", "a'b", "%", "x" * 5000])
def test_any_text_is_a_key(state, key):
    """Keys are any text, even such as is no valid Unicode."""
    state.set(key, 1)
    state.set("other", 2)
    assert state.get(key) == 1
    assert state.get_all() == {key: 1, "other": 2}
    assert state.delete(key)


@pytest.mark.parametrize("key", [None, 1, b"a", ("a",)])
@pytest.mark.parametrize("method", ["get", "has", "delete", "get_metadata", "recall"])
def test_a_key_that_is_no_text_is_refused(state, method, key):
    """Every method says that a key is text."""
    with pytest.raises(OptionError, match="is no text"):
        getattr(state, method)(key)
    with pytest.raises(OptionError, match="is no text"):
        state.set(key, 1)


@pytest.mark.parametrize("what", ["value", "metadata"])
def test_what_cannot_be_pickled_is_refused(state, what):
    """A value or metadata that pickle refuses is an error with a remedy; what was there stays."""
    state.set("a", 1)
    given = {"value": 2, "metadata": {}, what: {"lock": threading.Lock()}}
    with pytest.raises(SerializationError, match=f"the {what} of 'a' cannot be stored") as caught:
        state.set("a", **given)
    assert "plain data" in caught.value.remedy
    assert state.get("a") == 1


def test_metadata_come_with_time_and_age(state, clock):
    """get_metadata tells when, for how long and how old, and what set was given."""
    state.set("a", 1, ttl=60, metadata={"source": "api", "tags": ("x",)})
    clock.now += 5
    told = {"timestamp": 1000.0, "ttl": 60.0, "age": 5.0, "source": "api", "tags": ("x",)}
    assert state.get_metadata("a") == told
    state.set("a", 1)
    assert state.get_metadata("a") == {"timestamp": 1005.0, "ttl": None, "age": 0.0}
    assert state.get_metadata("b") is None


def test_metadata_are_a_dict(state):
    """Other metadata are refused, and nothing is stored."""
    with pytest.raises(OptionError, match="no dict"):
        state.set("a", 1, metadata=["api"])
    assert not state.has("a")


def test_values_expire(state, clock):
    """Once its seconds have passed, a value is in no method as if it were there."""
    state.set("a", 1, ttl=60)
    state.set("b", 2)
    clock.now += 60
    assert state.get("a") == 1
    clock.now += 0.001
    assert state.get("a", "gone") == "gone"
    assert not state.has("a")
    assert state.get_metadata("a") is None
    assert state.get_all() == {"b": 2}
    assert state.delete("a") is False


def test_a_value_set_anew_lives_anew(state, clock):
    """The seconds count from the latest set."""
    state.set("a", 1, ttl=60)
    clock.now += 50
    state.set("a", 2, ttl=60)
    clock.now += 50
    assert state.get("a") == 2


def test_the_default_ttl_holds_where_none_is_given(make, clock):
    """default_ttl is for values and steps alike; ttl= overrides it, math.inf with for ever."""
    state = make(default_ttl=10)
    state.set("a", 1)
    state.set("b", 2, ttl=20)
    state.set("c", 3, ttl=math.inf)
    state.keep("a", "json.gz", b"", digest=digest_of("json.gz", b""))
    clock.now += 15
    assert state.get_all() == {"b": 2, "c": 3}
    assert state.recall("a") is None
    clock.now = 1e12
    assert state.get_all() == {"c": 3}


@pytest.mark.parametrize("ttl", [0, -1, True, math.nan, "60", [1]])
def test_a_ttl_that_is_no_time_is_refused(state, ttl):
    """A ttl is a number above 0."""
    with pytest.raises(OptionError, match="number of seconds above 0"):
        state.set("a", 1, ttl=ttl)
    with pytest.raises(OptionError, match="default_ttl="):
        StateManager(default_ttl=ttl)
    assert not state.has("a")


def test_expired_values_leave_the_file(tmp_path, clock):
    """What has expired is deleted when a value that will expire is stored, or any deleted."""
    path = tmp_path / "state.db"
    for change in (lambda state: state.set("b", 1, ttl=1), lambda state: state.delete("c")):
        with StateManager(path, clock=clock) as state:
            state.set("a", 1, ttl=60)
            clock.now += 61
            change(state)
            state.delete("b")
        with closing(sqlite3.connect(path)) as raw:
            assert raw.execute("SELECT count(*) FROM entries").fetchone() == (0,)


def test_steps_are_kept_apart(state):
    """What runs keep is recalled as it was, and meets no key of the user's."""
    form, data = freeze({"rows": (1, 2)})
    kept = Kept(form, data, digest_of(form, data), skipped=True)
    state.set("a", 1)
    state.keep("a", kept.form, kept.data, digest=kept.digest, skipped=True)
    assert state.recall("a") == kept
    assert state.get_all() == {"a": 1}
    assert state.delete("a")
    assert state.recall("a") == kept
    assert not state.has("a")


def test_kept_bytes_that_are_damaged_are_not_recalled(state):
    """Where the digest is not that of the bytes, there is nothing, so the step runs again."""
    form, data = freeze([1])
    state.keep("a", form, data[:-1], digest=digest_of(form, data))
    assert state.recall("a") is None


def test_many_threads_lose_nothing(state):
    """Threads that set and get at once all find what they have set."""
    failed = []

    def work(number):
        for index in range(50):
            key = f"{number}-{index}"
            state.set(key, key, ttl=60)
            if state.get(key) != key:
                failed.append(key)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(state.get_all()) == 400


def test_a_closed_state_says_so(make):
    """After close, and after a with block, it cannot be used; closing twice is no error."""
    with make() as state:
        state.set("a", 1)
    state.close()
    with pytest.raises(StateError, match="closed") as caught:
        state.get("a")
    assert "close()" in caught.value.remedy


def test_values_stay_in_the_file(tmp_path):
    """Another StateManager of the same file has the values; folders are made for it."""
    path = tmp_path / "some" / "folder" / "state.json"
    with StateManager(storage_path=str(path), default_ttl=3600) as state:
        state.set("a", (1, None), metadata={"source": "api"})
    with StateManager(path) as state:
        assert state.get("a") == (1, None)
        assert state.get_metadata("a")["source"] == "api"
        assert state.get_metadata("a")["ttl"] == 3600


def test_a_path_stays_the_same_file(tmp_path, monkeypatch):
    """A path from the working folder is meant from that one, whatever folder comes later."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other").mkdir()
    with StateManager(Path("state.db")) as state:
        monkeypatch.chdir("other")
        assert repr(state) == f"StateManager({str(tmp_path / 'state.db')!r}, default_ttl=None)"


def test_a_path_that_is_none_is_refused():
    """A number in place of the path is an error that shows how it is written."""
    with pytest.raises(OptionError, match="storage_path=3600 is no path"):
        StateManager(3600)


def test_memory_is_not_shared():
    """Two states in memory know nothing of each other."""
    one, other = StateManager(), StateManager()
    one.set("a", 1)
    assert other.get_all() == {}


@pytest.mark.parametrize("damage", [b"", b"no gzip", None])
def test_a_damaged_value_is_an_error_that_names_it(tmp_path, damage):
    """A value that cannot be read is an error with its key; the others are read all the same."""
    path = tmp_path / "state.db"
    with StateManager(path) as state:
        state.set("a", [1], metadata={"b": 1})
        state.set("b", [2])
        with closing(sqlite3.connect(path)) as raw, raw:
            new = freeze([1])[1][:-3] if damage is None else damage
            raw.execute("UPDATE entries SET data = ?, notes = ? WHERE key = ?", (new, new, b"a"))
        for read in (state.get, state.get_metadata):
            with pytest.raises(StateError, match="stored as 'a' cannot be read") as caught:
                read("a")
            assert "delete('a')" in caught.value.remedy
        with pytest.raises(StateError, match="'a'"):
            state.get_all()
        assert state.has("a")
        assert state.get("b") == [2]
        assert state.delete("a")
        assert state.get_all() == {"b": [2]}


def test_a_class_that_is_gone_is_an_error_that_names_it(state, monkeypatch):
    """A value whose class cannot be imported any more is an error with key and remedy."""
    module = ModuleType("gone_tomorrow")
    module.Row = type("Row", (), {"__module__": "gone_tomorrow"})
    monkeypatch.setitem(sys.modules, "gone_tomorrow", module)
    state.set("a", module.Row())
    assert isinstance(state.get("a"), module.Row)
    monkeypatch.delitem(sys.modules, "gone_tomorrow")
    with pytest.raises(StateError, match=r"'a' cannot be read: ModuleNotFoundError"):
        state.get("a")


def test_an_error_of_the_state_can_be_pickled():
    """StateError travels between processes, as an error of a step may."""
    error = pickle.loads(pickle.dumps(StateError("gone", remedy="delete it")))
    assert str(error) == "gone\n  delete it"
