"""Pictures of runs of routed pipelines: visits of steps, and how often each arrow was taken."""

from __future__ import annotations

from pathlib import Path

import pytest
from order_routes import orders
from pictures import SVG, of_routes, parsed, routed, texts, way

from lokki_tf.drawing import to_outline, to_svg
from lokki_tf.drawing.routes import picture_of
from lokki_tf.drawing.visits import Taken, Visits


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in an empty folder, which contains the slots of runs."""
    monkeypatch.chdir(tmp_path)


def untimed(lines: list[str]) -> list[str]:
    return [line.split(" · ")[0] for line in lines]


def test_a_run_is_drawn_on_the_graph_of_its_pipeline() -> None:
    """Each step has its visits and their outcomes, and each arrow that was taken its number."""
    run = orders.local_run({})
    root = parsed(orders.to_svg(run))
    shown = untimed(texts(root))
    assert [line for line in shown if line.endswith("×")] == [
        *("3×", "3×", "1×", "1×", "1×", "2×", "1×", "1×")
    ]
    for line in ("3 visits: 3 done", "2 visits: 1 done, 1 failed, caught", "done", "not run"):
        assert line in shown
    faded = [one for one in root.iter(f"{SVG}path") if one.get("opacity")]
    assert not faded  # each arrow was taken
    assert orders._repr_svg_() == orders.to_svg(run)
    assert "|2#215;|" in orders.to_mermaid(run)
    assert '"cond1" -> "fetch" [label="2×"];' in orders.to_dot(run)


def test_arrows_that_were_not_taken_are_pale() -> None:
    """A run that ends early has no numbers at the arrows that follow."""
    routes = routed(a=[way("b", "v"), way("c", None)], b=[], c=[way("a")])
    picture = picture_of(routes)
    taken = Visits({}, {("a", "b", False): 1}).taken(picture)
    assert {(one.before, one.after): count.label for one, count in taken.items()} == {
        ("a", "cond1"): "1×",
        ("cond1", "b"): "1×",
        ("cond1", "c"): "",
        ("c", "a"): "",
    }


def test_a_number_that_is_not_known_is_a_bound() -> None:
    """Where two conditions lead to the same step, each has been taken at most that often."""
    routes = routed(a=[way("b", "v", line=1), way("b", "w", line=2), way("c", line=3)], b=[], c=[])
    taken = Visits({}, {("a", "b", False): 4, ("a", "c", False): 1}).taken(picture_of(routes))
    found = {(one.before, one.after): count for one, count in taken.items()}
    assert found["a", "c"] == Taken(1, 1)
    assert found["cond1", "b"] == found["cond2", "b"] == Taken(0, 4)
    assert Taken(0, 4).label == "≤ 4×"


@pytest.mark.parametrize("count", [5, 40, 300])
def test_wide_routed_pipelines_fit(count: int) -> None:
    """A step with very many conditions is drawn in rows, with every shape."""
    steps = {f"s{number}": [way("end")] for number in range(count)}
    ways = [way(name, f"v{name}") for name in steps]
    definition = of_routes(routed(start=ways, **steps, end=[]))
    root = parsed(to_svg(definition))
    assert float(root.attrib["width"]) < 1200
    assert len(texts(root)) == 2 * count + 2


def test_pictures_show_what_starts_runs_and_the_failure_notice() -> None:
    """Triggers, the limit of runs and the receiver of failure notices are in every language."""
    lines = ("rate(1 day)", "S3 object in orders: in/*", "at most 2 runs: others are skipped")
    pictures = (orders.to_svg(), orders.to_dot(), orders.to_text(width=100))
    for picture in pictures:
        for line in (*lines, "on failure: SNS topic alerts"):
            assert line in picture
    assert 'start(["rate(1 day)\\nS3 object in orders: in/' in orders.to_mermaid()
    assert "start --> n0" in orders.to_mermaid()


def test_the_text_of_a_run_has_a_line_for_each_way() -> None:
    """Below each step are the steps that can follow, the conditions, and the numbers of a run."""
    run = orders.local_run({})
    lines = [line.split(" · ")[0] for line in orders.to_text(run, width=100).splitlines()]
    assert lines[:1] + lines[4:-1] == [
        "orders: 6 steps",
        "    fetch  3 visits: 3 done",
        "       → parse  3×",
        "    parse  3 visits: 3 done",
        "       → fetch  if choice = 'again'  2×",
        "       → pay  if not choice = 'again'  1×",
        "    pay  2 visits: 1 done, 1 failed, caught",
        "       → report  1×",
        "       → refund  raises PaymentError  1×",
        "    refund  done",
        "       → pay  1×",
        "    report (may end)  done",
        "    never (may end)  not run",
    ]
    assert "       → pay  if not choice = 'again'" in to_outline(orders.definition).splitlines()
