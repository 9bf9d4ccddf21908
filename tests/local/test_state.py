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
    """A clock that only changes when it is set."""

    def __init__(self):
        self.now = 1_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(params=["memory", "file"])
def make(request, tmp_path, clock):
    """Make a state, in memory or in a new file."""
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


def test_get_returns_what_was_set(state):
    """A value is returned under its key; a later value replaces it."""
    state.set("a", [1, 2])
    assert state.get("a") == [1, 2]
    state.set("a", "other")
    assert state.get("a") == "other"


def test_a_default_replaces_a_missing_value(state):
    """Without a value, get returns the default, which is None if omitted."""
    assert state.get("a") is None
    assert state.get("a", 7) == 7


def test_none_is_a_value(state):
    """None can be stored and is not the default."""
    state.set("a", None)
    assert state.has("a")
    assert "a" in state
    assert state.get("a", 7) is None
    assert state.get_all() == {"a": None}


def test_delete_returns_whether_there_was_a_value(state):
    """delete returns whether there was a value."""
    state.set("a", 1)
    assert state.delete("a") is True
    assert state.delete("a") is False
    assert not state.has("a")


def test_get_all_returns_all_values(state):
    """get_all returns every value, sorted by key."""
    state.set("b", (1, 2))
    state.set("a", {3: 4})
    assert list(state.get_all().items()) == [("a", {3: 4}), ("b", (1, 2))]


def test_clear_deletes_all(state):
    """After clear the store is empty, also of steps."""
    state.set("a", 1)
    state.keep("a", "json.gz", b"", digest=digest_of("json.gz", b""))
    state.clear()
    assert state.get_all() == {}
    assert state.recall("a") is None


def test_values_are_copies(state):
    """Modifying a stored or returned value does not change what is stored."""
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
    """All values that can pass between steps are stored exactly, types included."""
    state.set("a", value, metadata={"value": value})
    assert same(state.get("a"), value)
    assert same(state.get_metadata("a")["value"], value)


@pytest.mark.parametrize("key", ["", "é", "\x00", "\ud800", "a'b", "%", "x" * 5000])
def test_any_text_is_a_key(state, key):
    """Keys are any strings, even invalid Unicode."""
    state.set(key, 1)
    state.set("other", 2)
    assert state.get(key) == 1
    assert state.get_all() == {key: 1, "other": 2}
    assert state.delete(key)


@pytest.mark.parametrize("key", [None, 1, b"a", ("a",)])
@pytest.mark.parametrize("method", ["get", "has", "delete", "get_metadata", "recall"])
def test_a_key_must_be_a_string(state, method, key):
    """Every method requires a string as key."""
    with pytest.raises(OptionError, match="must be a string"):
        getattr(state, method)(key)
    with pytest.raises(OptionError, match="must be a string"):
        state.set(key, 1)


@pytest.mark.parametrize("what", ["value", "metadata"])
def test_values_that_cannot_be_pickled_are_errors(state, what):
    """A value that cannot be pickled is an error with a remedy; the previous one is kept."""
    state.set("a", 1)
    given = {"value": 2, "metadata": {}, what: {"lock": threading.Lock()}}
    with pytest.raises(SerializationError, match=f"the {what} of 'a' cannot be stored") as caught:
        state.set("a", **given)
    assert "plain data" in caught.value.remedy
    assert state.get("a") == 1


def test_metadata_have_time_and_age(state, clock):
    """get_metadata returns time, lifetime, age, and the metadata passed to set."""
    state.set("a", 1, ttl=60, metadata={"source": "api", "tags": ("x",)})
    clock.now += 5
    told = {"timestamp": 1000.0, "ttl": 60.0, "age": 5.0, "source": "api", "tags": ("x",)}
    assert state.get_metadata("a") == told
    state.set("a", 1)
    assert state.get_metadata("a") == {"timestamp": 1005.0, "ttl": None, "age": 0.0}
    assert state.get_metadata("b") is None


def test_metadata_are_a_dict(state):
    """Metadata that are not a dict are an error, and nothing is stored."""
    with pytest.raises(OptionError, match="must be a dict"):
        state.set("a", 1, metadata=["api"])
    assert not state.has("a")


def test_values_expire(state, clock):
    """After its lifetime, a value is missing in every method."""
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


def test_the_lifetime_begins_with_the_latest_set(state, clock):
    """The lifetime begins with the latest set."""
    state.set("a", 1, ttl=60)
    clock.now += 50
    state.set("a", 2, ttl=60)
    clock.now += 50
    assert state.get("a") == 2


def test_the_default_ttl_holds_where_none_is_given(make, clock):
    """default_ttl holds for values and steps; ttl= overrides it, math.inf means forever."""
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
def test_a_ttl_must_be_a_positive_number(state, ttl):
    """A ttl must be a number above 0."""
    with pytest.raises(OptionError, match="number of seconds above 0"):
        state.set("a", 1, ttl=ttl)
    with pytest.raises(OptionError, match="default_ttl="):
        StateManager(default_ttl=ttl)
    assert not state.has("a")


def test_expired_values_leave_the_file(tmp_path, clock):
    """Expired values are deleted when a value that expires is stored, or any value deleted."""
    path = tmp_path / "state.db"
    for change in (lambda state: state.set("b", 1, ttl=1), lambda state: state.delete("c")):
        with StateManager(path, clock=clock) as state:
            state.set("a", 1, ttl=60)
            clock.now += 61
            change(state)
            state.delete("b")
        with closing(sqlite3.connect(path)) as raw:
            assert raw.execute("SELECT count(*) FROM entries").fetchone() == (0,)


def test_steps_are_stored_separately(state):
    """Stored results of steps are returned unchanged, and have keys of their own."""
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
    """A result whose digest differs is treated as missing, so the step runs again."""
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
    """After close or a with block, the store cannot be used; closing twice is allowed."""
    with make() as state:
        state.set("a", 1)
    state.close()
    with pytest.raises(StateError, match="closed") as caught:
        state.get("a")
    assert "close()" in caught.value.remedy


def test_values_stay_in_the_file(tmp_path):
    """Another StateManager of the same file has the values; folders are created for it."""
    path = tmp_path / "some" / "folder" / "state.json"
    with StateManager(storage_path=str(path), default_ttl=3600) as state:
        state.set("a", (1, None), metadata={"source": "api"})
    with StateManager(path) as state:
        assert state.get("a") == (1, None)
        assert state.get_metadata("a")["source"] == "api"
        assert state.get_metadata("a")["ttl"] == 3600


def test_a_path_stays_the_same_file(tmp_path, monkeypatch):
    """A relative path refers to the same file after a change of the working folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other").mkdir()
    with StateManager(Path("state.db")) as state:
        monkeypatch.chdir("other")
        assert repr(state) == f"StateManager({str(tmp_path / 'state.db')!r}, default_ttl=None)"


def test_a_path_must_be_a_path():
    """A number instead of the path is an error with an example."""
    with pytest.raises(OptionError, match="storage_path must be a path, got 3600"):
        StateManager(3600)


def test_memory_is_not_shared():
    """Two states in memory share nothing."""
    one, other = StateManager(), StateManager()
    one.set("a", 1)
    assert other.get_all() == {}


@pytest.mark.parametrize("damage", [b"", b"no gzip", None])
def test_a_damaged_value_is_an_error_that_names_it(tmp_path, damage):
    """A value that cannot be read is an error with its key; the others can be read."""
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


def test_a_missing_class_is_an_error(state, monkeypatch):
    """A value whose class can no longer be imported is an error with key and remedy."""
    module = ModuleType("gone_tomorrow")
    module.Row = type("Row", (), {"__module__": "gone_tomorrow"})
    monkeypatch.setitem(sys.modules, "gone_tomorrow", module)
    state.set("a", module.Row())
    assert isinstance(state.get("a"), module.Row)
    monkeypatch.delitem(sys.modules, "gone_tomorrow")
    with pytest.raises(StateError, match=r"'a' cannot be read: ModuleNotFoundError"):
        state.get("a")


def test_an_error_of_the_state_can_be_pickled():
    """StateError can be pickled, as the error of a step in another process is."""
    error = pickle.loads(pickle.dumps(StateError("gone", remedy="delete it")))
    assert str(error) == "gone\n  delete it"
