"""The result of a run."""

import io
import pickle
import re

import pytest

from lokki_tf.errors import LokkiError, StepFailed
from lokki_tf.local import run


def same(value=None):
    return value


def fail():
    raise ValueError("<b>no</b> [red]")


@pytest.fixture
def diamond(build):
    return build.pipeline(
        build.node("a", same, 1),
        build.node("b", same, build.out("a")),
        build.node("c", same, 3, after=["a"]),
        build.node("d", same, build.group("list", (build.out("b"), build.out("c")))),
    )


def test_a_run_is_a_list_of_generations(diamond):
    """A run iterates, indexes, compares and prints like a list of lists of pairs."""
    expected = [[("a", 1)], [("b", 1), ("c", 3)], [("d", [1, 3])]]
    outcome = run(diamond)
    assert list(outcome) == expected
    assert outcome == expected
    assert expected == outcome
    assert outcome == run(diamond)
    assert outcome != expected[1:]
    assert outcome != 3
    assert len(outcome) == 3
    assert outcome[1] == [("b", 1), ("c", 3)]
    assert outcome[-1][0] == ("d", [1, 3])
    assert outcome[1:] == expected[1:]
    assert [("a", 1)] in outcome
    assert repr(outcome) == str(outcome) == repr(expected)
    with pytest.raises(TypeError):
        hash(outcome)


def test_a_long_run_shows_itself_shortened(build):
    """What a run shows of large results is short and never fails, regardless of their class."""

    class Loud:
        def __repr__(self):
            return "loud" * 100_000

    class array:  # noqa: N801  # reprlib goes by names of classes
        pass

    values = [list(range(1_000_000)), "text" * 100_000, {n: n for n in range(9_999)}, [[Loud()]]]
    nodes = [build.node(f"n{number}", same, value) for number, value in enumerate(values)]
    assert len(repr(run(build.pipeline(*nodes)))) < 6_000
    assert repr(run(build.pipeline(build.node("a", same, [array()])))) == "<list>"
    outputs = run(build.pipeline(*nodes)).outputs
    assert repr(outputs).startswith("{'n0': [0, 1, 2,")
    assert len(repr(outputs)) < 6_000
    unsorted = {"b": 1, "a": [{"z": 0, "y": (1,)}]}
    assert repr(run(build.pipeline(build.node("a", same, unsorted)))) == f"[[('a', {unsorted!r})]]"


def test_a_table_is_shown_line_by_line(diamond):
    """A table as the value of a cell or at a prompt is its lines, and still a string."""
    table = run(diamond).table()
    assert repr(table) == str(table)
    assert isinstance(table, str)
    assert len(table.splitlines()) == 6


def test_outputs_hold_every_result(diamond):
    """Every node's result is in the outputs by its name, in the graph's order: a plain dict."""
    outputs = run(diamond).outputs
    assert outputs == {"a": 1, "b": 1, "c": 3, "d": [1, 3]}
    assert list(outputs) == ["a", "b", "c", "d"]
    assert type(pickle.loads(pickle.dumps(outputs))) is dict


def test_the_result_is_that_of_the_last_node(build, diamond):
    """The result is that of the last node, or a dict by name if there are several."""
    assert run(diamond).result == [1, 3]
    two = build.pipeline(build.node("a", same, 1), build.node("b", same, 2))
    assert run(two).result == {"a": 1, "b": 2}


def test_timings_are_within_the_run(diamond):
    """Each node began and ended within the run, after its predecessors."""
    outcome = run(diamond)
    assert list(outcome.timings) == ["a", "b", "c", "d"]
    for start, end in outcome.timings.values():
        assert 0 <= start <= end <= outcome.duration
    assert outcome.timings["b"][1] <= outcome.timings["d"][0]
    assert set(outcome.attempts.values()) == {1}


def test_a_partial_run_names_missing_nodes(build):
    """After a failure the run has outputs and status, and its result names missing nodes."""
    pipeline = build.pipeline(
        build.node("a", same, 1),
        build.node("b", fail, after=["a"]),
        build.node("c", same, after=["b"]),
    )
    with pytest.raises(StepFailed) as caught:
        run(pipeline)
    outcome = caught.value.run
    assert outcome.outputs == {"a": 1}
    with pytest.raises(LokkiError, match="'c' did not end"):
        _ = outcome.result
    assert set(outcome.timings) == {"a", "b"}


def test_values_that_cannot_be_compared_are_supported(build):
    """Results whose == or bool() raises, as those of arrays, are supported."""

    class Awkward:
        def __eq__(self, other):
            raise TypeError

        __hash__ = None

        def __bool__(self):
            raise TypeError

        def __repr__(self):
            raise TypeError

    awkward = Awkward()
    outcome = run(
        build.pipeline(build.node("a", same, awkward), build.node("b", same, build.out("a")))
    )
    assert outcome.result is awkward
    assert "Awkward" in outcome.table()
    assert outcome._repr_html_()


def test_html_is_escaped(build):
    """Names, results and errors are escaped in HTML."""
    pipeline = build.pipeline(
        build.node("<i>a</i>", same, "<script>"), build.node("b", fail, after=["<i>a</i>"])
    )
    with pytest.raises(StepFailed) as caught:
        run(pipeline)
    html = caught.value.run._repr_html_()
    assert "&lt;i&gt;a&lt;/i&gt;" in html
    assert "&lt;script&gt;" in html
    assert "&lt;b&gt;no" in html
    assert not re.search(r"<script>|<i>|<b>", html)


def test_the_table_shows_step_status_and_result(build):
    """As text, each node has a line with status, seconds and a shortened result."""
    pipeline = build.pipeline(
        build.node("load", same, "x" * 5000),
        build.node("bad", fail, after=["load"]),
        build.node("later", same, after=["bad"]),
    )
    with pytest.raises(StepFailed) as caught:
        run(pipeline)
    lines = caught.value.run.table().splitlines()
    assert lines[0].startswith("nightly: 1 done, 1 failed, 1 not run in 0.")
    assert re.match(r"load +done +\d\.\d{3} +'xxx", lines[2])
    assert "ValueError" in lines[3]
    assert lines[4].split() == ["later", "not", "run"]
    assert max(len(line) for line in lines) < 140


def test_rich_shows_the_table(diamond):
    """rich renders a run as a table; brackets in results are not markup."""
    rich = pytest.importorskip("rich.console")
    console = rich.Console(width=100, record=True, file=io.StringIO())
    console.print(run(diamond))
    text = console.export_text()
    assert "[1, 3]" in text
    assert "done" in text


def test_ten_thousand_nodes_stay_readable(build):
    """A large run's table shows 200 nodes, failed ones included, and the number of the others."""
    nodes = [build.node(f"n{i}", same, i) for i in range(10_000)]
    nodes.append(build.node("bad", fail, after=["n9999"]))
    with pytest.raises(StepFailed) as caught:
        run(build.pipeline(*nodes), executor="sequential")
    outcome = caught.value.run
    assert len(outcome[0]) == 10_000
    html = outcome._repr_html_()
    assert html.count("<tr>") == 201
    assert "bad" in html
    assert "9,801 more" in html
