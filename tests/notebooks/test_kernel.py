"""A notebook in a real Jupyter kernel: cells, pictures, tables, and the cloud's result."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
CELLS = [
    """
    import asyncio, enum, json
    from dataclasses import dataclass
    from lokki_tf import Pipeline, RetryConfig, step
    """,
    """
    class Colour(enum.Enum):
        RED = "red"
        BLUE = "blue"

    @dataclass
    class Row:
        name: str
        price: float
        colour: Colour = Colour.RED

        def with_tax(self) -> "Row":
            return Row(self.name, round(self.price * (1 + TAX), 2), other(self.colour))
    """,
    "TAX = 0.19\nCURRENCIES = {'EUR', 'USD'}",
    """
    def other(colour):
        return Colour.BLUE if colour is Colour.RED else Colour.RED

    def prices():
        with open("prices.json") as file:
            return json.load(file)
    """,
    """
    @step(include=["prices.json"])
    def load(first: Row) -> list[Row]:
        return [first, *(Row(name, price) for name, price in prices().items())]

    @step
    async def taxed(rows: list[Row]) -> list[Row]:
        await asyncio.sleep(0)
        return [row.with_tax() for row in rows]
    """,
    """
    @step
    def report(rows: list[Row], currencies: set) -> tuple:
        return rows[0], {row.name: row.price for row in rows}, sorted(currencies)
    """,
    """
    pipe = Pipeline("notes", steps=[report(taxed(load(Row("pear", 2.0))), CURRENCIES)])
    """,
]
RESULT = (
    "(Row(name='pear', price=2.38, colour=<Colour.BLUE: 'blue'>), "
    "{'pear': 2.38, 'apple': 1.19}, ['EUR', 'USD'])"
)


@dataclass
class Shown:
    """What a cell printed, and its value by the forms in which a notebook may show it."""

    printed: str
    forms: dict[str, str]

    @property
    def text(self) -> str:
        """The value as text, on one line however long it is."""
        lines = self.forms.get("text/plain", "").splitlines()
        return " ".join(map(str.strip, lines))


class Notebook:
    """Cells that are run one after another in one kernel."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.client = NotebookClient(
            nbformat.v4.new_notebook(),
            timeout=120,
            resources={"metadata": {"path": str(folder)}},
            allow_errors=True,
        )

    def run(self, source: str) -> Shown:
        """Runs a cell; an error in it is the test's."""
        shown, error = self.tried(source)
        assert not error, error
        return shown

    def tried(self, source: str) -> tuple[Shown, str]:
        """Runs a cell that may fail, and gives the error's text."""
        cells: list[Any] = self.client.nb.cells
        cells.append(nbformat.v4.new_code_cell(textwrap.dedent(source).strip("\n")))
        self.client.execute_cell(cells[-1], len(cells) - 1)
        shown, error = Shown("", {}), ""
        for output in cells[-1].outputs:
            if output.output_type == "stream":
                shown.printed += output.text
            elif output.output_type == "error":
                error = f"{output.ename}: {output.evalue}"
            else:
                shown.forms.update(output.data)
        return shown, error


@pytest.fixture(scope="module")
def notebook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Notebook]:
    """A notebook whose kernel has run :data:`CELLS`."""
    folder = tmp_path_factory.mktemp("notes")
    (folder / "prices.json").write_text('{"apple": 1.0}')
    made = Notebook(folder)
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    with made.client.setup_kernel(env={**os.environ, "PYTHONPATH": path}):
        for cell in CELLS:
            made.run(cell)
        yield made


def test_a_run_shows_a_table(notebook: Notebook) -> None:
    """A run of steps, helpers and classes of several cells is a table; its result is a value."""
    shown = notebook.run("ran = pipe.local_run()\nran")
    assert shown.forms["text/html"].count("<tr>") == 4
    assert "report" in shown.forms["text/html"]
    assert notebook.run("ran.result").text == RESULT


def test_a_pipeline_shows_a_picture(notebook: Notebook) -> None:
    """At the end of a cell a pipeline is drawn, and described as text elsewhere."""
    shown = notebook.run("pipe")
    assert ">taxed</text>" in shown.forms["image/svg+xml"]
    assert shown.text == "<Pipeline 'notes': 3 nodes>"


def test_check_finds_nothing(notebook: Notebook) -> None:
    """A pipeline whose code can be deployed has no findings."""
    assert notebook.run("pipe.check()").text == "no findings"


def test_what_is_wrong_is_shown_with_its_cell(notebook: Notebook) -> None:
    """Findings are a table that names cells, for what only a notebook has as for all else."""
    notebook.run("""
        import sqlite3
        connection = sqlite3.connect(":memory:")

        @step
        def query(day):
            display(day)
            return connection.execute("select 1").fetchall()

        @step
        def again(rows):
            return rows, _, In
        """)
    number = len(notebook.client.nb.cells)
    shown = notebook.run("Pipeline('wrong', steps=[again(query(1))]).check()")
    html = shown.forms["text/html"]
    assert html.count("<tr>") == 4
    for name, line in (("connection", 7), ("display", 6), ("_", 11), ("In", 11)):
        assert f"uses &#x27;{name}&#x27;" in html
        assert f"&lt;cell {number}&gt;:{line}" in html
    assert shown.text.startswith("4 errors error [")


def test_errors_of_writing_name_the_cell(notebook: Notebook) -> None:
    """An error that is raised while a pipeline is written says in which cell."""
    _, error = notebook.tried("load(nothing=1)")
    assert error.startswith("BindingError: step 'load' cannot be called with these arguments")
    assert f"at <cell {len(notebook.client.nb.cells)}>:1" in error


def test_deployed_it_gives_the_same(notebook: Notebook) -> None:
    """Deployed from the notebook, the results are the run's, types included."""
    notebook.run("here = pipe.local_run().result\nmade = pipe.synth('terraform-out')")
    shown = notebook.run("""
        from lokki_tf.testing import LocalAws

        with LocalAws(retry_delay_scale=0.0) as aws:
            there = aws.values(aws.run(pipe))
        there
        """)
    assert notebook.run("there == {'report': here}").text == "True", shown.text
    assert notebook.run("type(there['report'][0]) is Row, there['report']").text == (
        f"(True, {RESULT})"
    )
    code = (notebook.folder / "terraform-out/stacks/notes/lambdas/taxed").glob("*.py")
    assert {file.name for file in code} == {"lambda_function.py", "notebook.py"}


def test_an_execution_is_shown_once(notebook: Notebook) -> None:
    """Progress is removed when the value of the cell is the table of the steps; errors are text.

    A failed execution is replayed, repaired and redriven; its report is a page.
    """
    notebook.run(
        """
        import os
        from lokki_tf.testing import LocalAws

        kept = dict(os.environ)
        account = LocalAws(retry_delay_scale=0.0).__enter__()
        os.environ.update(account.environment)

        @step
        def double(number: int) -> int:
            return 10 // number * 2

        from lokki_tf import Parameter
        cloud = Pipeline("cloud", steps=[double(Parameter("number", int))])
        _ = account.register(cloud)
        """
    )
    shown = notebook.run('cloud.start({"number": 5}, name="one").wait()')
    assert shown.printed == ""
    (progress, table) = notebook.client.nb.cells[-1].outputs
    assert progress.data["text/plain"] == ""
    assert table.data["text/plain"] == "<Execution 'one' of 'cloud': succeeded>"
    assert table.data["text/html"].count("double") == 1
    assert notebook.run('cloud.execution("one").result').text == "4"
    assert "one" in notebook.run("cloud.executions()").forms["text/html"]
    assert notebook.run('cloud.execution("one").logs()').text.count("double") == 2
    _, error = notebook.tried('cloud.start({"number": 0}, name="bad").wait().result')
    assert "step 'double' failed in AWS: ZeroDivisionError" in error
    assert "pipe.execution('bad').redrive()" in error
    _, error = notebook.tried("cloud.execution().replay()")
    assert "step 'double' of run bad failed here: ZeroDivisionError" in error
    (output,) = notebook.client.nb.cells[-1].outputs
    assert "lokki_tf/" not in "".join(output.traceback)
    notebook.run(
        """
        @step
        def double(number: int) -> int:
            return 10 // number * 2 if number else 0

        cloud = Pipeline("cloud", steps=[double(Parameter("number", int))])
        """
    )
    assert notebook.run('cloud.execution("bad").replay()').text == "0"
    notebook.run("_ = account.register(cloud)")
    assert notebook.run('cloud.execution("bad").redrive().wait().result').text == "0"
    notebook.run('_ = open("notebook-run.html", "w").write(cloud.execution("bad").to_html())')
    assert "double" in (notebook.folder / "notebook-run.html").read_text(encoding="utf-8")
    notebook.run("account.close()\nos.environ.clear()\nos.environ.update(kept)")


def test_a_cell_that_runs_again_replaces_its_step(notebook: Notebook) -> None:
    """Pipelines keep the steps that they were made of; a new one has the new step alone."""
    cell = "@step\ndef twice(x):\n    return x * {}\n"
    notebook.run(cell.format(2))
    notebook.run("old = Pipeline('old', steps=[twice(10)])")
    notebook.run(cell.format(3))
    notebook.run("new = Pipeline('new', steps=[twice(twice(10))])")
    run = "old.local_run().result, new.local_run().result"
    assert notebook.run(run).text == "(20, 90)"
    assert notebook.run("old.check() + new.check()").text == "[]"
    made = notebook.run("""
        for one in (old, new):
            folder = one.synth("again").folder / "lambdas" / "twice"
            print((folder / "lambda_function.py").read_text())
        """)
    assert made.printed.count("return x *") == 2
    assert "return x * 2" in made.printed
    assert "return x * 3" in made.printed
    notebook.run("old = Pipeline('old', steps=[twice(10)])")
    assert notebook.run(run).text == "(30, 90)"


def test_a_call_of_a_replaced_step_is_an_error(notebook: Notebook) -> None:
    """A pipeline that would hold both is refused, and the error names the cell to run again."""
    notebook.run("@step\ndef once(x):\n    return x\n")
    notebook.run("earlier = once(1)")
    number = len(notebook.client.nb.cells)
    notebook.run("@step\ndef once(x):\n    return [x]\n")
    _, error = notebook.tried("Pipeline('both', steps=[once(earlier)])")
    assert error.startswith("NamingError: two different steps are named 'once'")
    assert f"run the cell of <cell {number}>:1 again" in error


def test_a_cell_that_runs_again_unchanged_changes_nothing(notebook: Notebook) -> None:
    """Calls of a step before and after its cell ran once more go into one pipeline."""
    notebook.run("@step\ndef plus(x, by=1):\n    return x + by\n")
    notebook.run("first = plus(1)")
    notebook.run("@step\ndef plus(x, by=1):\n    return x + by\n")
    shown = notebook.run(
        "both = Pipeline('both', steps=[plus(first)])\nboth.local_run().result, both.check()"
    )
    assert shown.text == "(3, no findings)"


def test_helpers_and_classes_are_those_of_now(notebook: Notebook) -> None:
    """What a step uses is looked up when it runs: a helper's newer cell counts, here and there."""
    notebook.run("def rate():\n    return 1\n")
    notebook.run("@step\ndef rated():\n    return rate()\n\nuses = Pipeline('r', steps=[rated()])")
    notebook.run("def rate():\n    return 2\n")
    shown = notebook.run("""
        print((uses.synth("rates").folder / "lambdas/rated/lambda_function.py").read_text())
        uses.local_run().result
        """)
    assert shown.text == "2"
    assert "return 2" in shown.printed
    assert "return 1" not in shown.printed


def test_async_steps_run_beside_the_kernels_loop(notebook: Notebook) -> None:
    """Steps run although the kernel has a running event loop and cells use await."""
    shown = notebook.run("""
        loop = asyncio.get_running_loop()
        async def rows():
            return [Row("fig", 1.0)]
        AWAITED = await rows()
        Pipeline("loops", steps=[taxed(AWAITED)]).local_run().result
        """)
    assert shown.text == "[Row(name='fig', price=1.19, colour=<Colour.BLUE: 'blue'>)]"


@pytest.mark.parametrize("strict", [False, True])
def test_processes_run_steps_of_cells(notebook: Notebook, strict: bool) -> None:
    """executor="process" runs in other processes what only cells define, to the same result."""
    shown = notebook.run(f"""
        import os
        @step
        def process(rows):
            return os.getpid()
        run = Pipeline("many", steps=[report(taxed(load(Row("pear", 2.0))), CURRENCIES),
                                      process(1)]).local_run(executor="process", strict={strict})
        run.outputs["process"] != os.getpid(), run.outputs["report"]
        """)
    assert shown.text == f"(True, {RESULT})"


def test_magics_are_accepted_or_reported(notebook: Notebook) -> None:
    """Cells with magics do not affect others; a step in a %%time cell is reported."""
    notebook.run("%matplotlib --list\nlisted = !echo one two\nWORDS = list(listed)")
    notebook.run("@step\ndef words():\n    return WORDS\n")
    assert notebook.run("Pipeline('w', steps=[words()]).check()").text == "no findings"
    notebook.run("%%time\n@step\ndef timed():\n    return 1\n")
    shown = notebook.run("Pipeline('t', steps=[timed()]).check()")
    assert "remove %%time from its cell" in shown.text


def test_main_says_what_to_write_in_a_notebook(notebook: Notebook) -> None:
    """``main(pipe)`` in a cell names what works there, with the variable's name."""
    shown = notebook.run("from lokki_tf import main\nif __name__ == '__main__':\n    main(pipe)")
    for line in ("pipe.local_run()", "pipe.check()", "pipe.synth()", 'main(pipe, ["deploy"'):
        assert line in shown.printed


def test_commands_run_in_a_notebook(notebook: Notebook) -> None:
    """``main(pipe, [command])`` prints what the command prints, and the cell goes on after it."""
    notebook.run("@step\ndef letters():\n    print('by a step')\n    return 'größe'\n")
    notebook.run("small = Pipeline('small', steps=[letters()])")
    shown = notebook.run('main(small, ["run"])\nprint("after")')
    assert shown.printed.splitlines()[-2:] == ["größe", "after"]
    assert "by a step" in shown.printed
    assert "small: 0 errors" in notebook.run('main(small, ["check"])').printed
    assert "Next:" in notebook.run('main(small, ["synth", "-o", "small-out"])').printed


def test_a_command_that_fails_ends_its_cell(notebook: Notebook) -> None:
    """A command's error is raised in the cell, so that the cells after it do not run."""
    notebook.run("@step\ndef broken():\n    raise ValueError('mine')\n")
    notebook.run("wrong = Pipeline('wrong', steps=[broken()])")
    _, error = notebook.tried('main(wrong, ["run"])')
    assert error.startswith("StepFailed: step 'broken' failed: ValueError: mine")
    shown, error = notebook.tried('main(wrong, ["fly"])')
    assert error == "LokkiError: the command failed with exit code 2"
    assert "No such command 'fly'" in shown.printed
    shown, _ = notebook.tried('main(wrong, ["run", "--fast"])')
    assert 'For help: main(…, ["run", "--help"])' in shown.printed
    assert "python" not in shown.printed


def test_a_run_keeps_little_in_a_notebook(notebook: Notebook) -> None:
    """The value of a cell that is a run of a million numbers, or its outputs, takes a few kB."""
    notebook.run("@step\ndef many():\n    return list(range(1_000_000))\n")
    for part, start, end in (
        ("", "[[('many', [0, 1, 2, 3,", "...])]]"),
        (".outputs", "{'many': [0, 1, 2, 3,", "...]}"),
    ):
        shown = notebook.run(f"Pipeline('many', steps=[many()]).local_run(){part}")
        assert sum(map(len, shown.forms.values())) < 5_000
        assert shown.text.startswith(start)
        assert shown.text.endswith(end)


@pytest.mark.parametrize("code", ["ran.table()", "pipe.to_mermaid()", "pipe.to_dot(ran)"])
def test_texts_are_shown_line_by_line(notebook: Notebook, code: str) -> None:
    """A text of several lines is shown as it is, and not as a string with escapes."""
    notebook.run("ran = pipe.local_run()")
    lines = notebook.run(code).forms["text/plain"].splitlines()
    assert len(lines) > 3
    assert not lines[0].startswith("'")


def test_a_picture_as_text_is_drawn(notebook: Notebook) -> None:
    """The value of ``to_svg()`` and ``to_gantt()`` is a string that a notebook draws."""
    notebook.run("ran = pipe.local_run()")
    for code in ("pipe.to_svg()", "pipe.to_gantt(ran)"):
        assert notebook.run(code).forms["image/svg+xml"].startswith("<svg")


def test_tracebacks_end_in_the_cell(notebook: Notebook) -> None:
    """The traceback of an error has no frame of lokki_tf."""
    notebook.tried("load(nothing=1)")
    (output,) = notebook.client.nb.cells[-1].outputs
    assert "lokki_tf/" not in "".join(output.traceback)
