"""Every block of code in the README and the documentation is run or checked.

| block | what is done with it |
|---|---|
| ``python`` | run in the page's script, or written as the file that its title names and imported |
| ``console`` | commands behind ``$`` are run; what they print is compared, see :func:`normalized` |
| ``bash`` | its commands, options, extras and targets exist |
| ``toml`` | loaded as ``lokki.toml``, or as the file in its title |
| ``json``, ``yaml``, ``hcl`` | parsed; ``hcl`` by Terraform, if it is there |

In console blocks, ``deploy`` makes the pipeline exist in the local AWS without Terraform, and
``destroy`` empties the account. ``make audit`` runs and compares these with Terraform, unless the
page says that its pipeline is in the local AWS already.
``LOKKI_GOLDEN=write`` writes what console blocks printed into the pages.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from operate_folder import NO_LIFECYCLE
from page_runner import REGION
from pages import ROOT, TEMPLATE, Block, Page, pages
from thorough import TIMES

from lokki_tf.config import load_config

PAGES = pages()
PLAIN = {"text", "mermaid", "dockerfile", "hcl", "html"}
"""Languages of blocks that are not run."""
WRITE = os.environ.get("LOKKI_GOLDEN") == "write"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


class Runner:
    """The process that runs scripts and commands.

    Args:
        folder: Where its files are.
    """

    def __init__(self, folder: Path) -> None:
        self._output = folder / "output"
        self._process = subprocess.Popen(
            [sys.executable, str(ROOT / "tests/page_runner.py")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**_clean(os.environ), "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        self.endpoint = str(self._answer()["endpoint"])

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def ask(self, **request: Any) -> dict[str, Any]:
        """Send a request, and return the answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"output": str(self._output), **request}) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        """End the process."""
        self._process.communicate(timeout=60)


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    """One process for all pages."""
    started = Runner(tmp_path_factory.mktemp("runner"))
    yield started
    started.close()


def _clean(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in environment.items()
        if not name.startswith(("AWS_", "LOKKI_STAGE", "PYTEST_"))
    }


class Reader:
    """Someone who follows a page in an empty folder, with a local AWS.

    Args:
        page: The page.
        runner: What runs its code.
        folder: The folder.
    """

    def __init__(self, page: Page, runner: Runner, folder: Path) -> None:
        self.page = page
        self.folder = self._at = folder / "project"
        self._runner = runner
        self.printed: dict[Block, str] = {}
        self.wrong: list[str] = []
        home = folder / "home"
        (home / ".lokki").mkdir(parents=True)
        self.folder.mkdir()
        (home / ".lokki" / "lokki.toml").write_text(
            f'[aws]\nendpoint = "{runner.endpoint}"\nregion = "{REGION}"\n'
        )
        self._environment = {
            **_clean(os.environ), "HOME": str(home), "NO_COLOR": "1", "COLUMNS": "100",
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]),
            "AWS_EC2_METADATA_DISABLED": "true",
        }  # fmt: skip

    def follow(self) -> None:
        """Do what the page shows, in its order."""
        for block in self.page.blocks:
            if block.language == "console":
                self._type(block)
            elif block.language == "deployed":
                self._files(block.line)
                name = Path(self.page.script_name).stem
                self._python_run(name, program=False, deployed=block.code.split())
            elif block.title and block.language != "python":
                self._write(block.title, block.code)
        self._at = self.folder
        self._files(None)
        names = [
            Path(name).with_suffix("").as_posix().removeprefix("src/").replace("/", ".")
            for name, code in self._python(None).items()
            if code.strip() and TEMPLATE not in code
        ]
        if names:
            self._python_run(*names, program=False)

    def _python(self, before: int | None) -> dict[str, str]:
        files = self.page.files(before)
        python = {name: code for name, code in files.items() if name.endswith(".py")}
        return {**python, self.page.script_name: self.page.script(before)}

    def _files(self, before: int | None) -> None:
        for name, code in self._python(before).items():
            if code.strip():
                self._write(name, code)

    def _write(self, name: str, text: str) -> None:
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def _python_run(self, *argv: str, **request: Any) -> dict[str, Any]:
        done = self._runner.ask(
            folder=str(self._at), environment=self._environment, argv=argv, **request
        )
        if done["code"] and not request["program"]:
            self.wrong.append(f"{self.page.name}: {done['output']}")
        return done

    def _type(self, block: Block) -> None:
        """Run the commands of a console block, and compare what they print."""
        self._files(block.line)
        shown = []
        for command, expected in transcript(block.code):
            if not _deploys(self.page) and (
                change := re.match(r"python (\S+)\.py (deploy|destroy)\b", command)
            ):
                self._change(*change.groups())
                shown.append(f"$ {command}\n{expected}")
                continue
            printed = self._run(command)
            printed = printed.replace(f"{self.folder}/", "").replace(str(self.folder), ".")
            printed = re.sub(r"/tmp/local-lambda-\w+/[\w-]+/", "/var/task/", printed)
            shown.append(
                f"$ {command}\n{printed}" + ("\n" if printed[-1:] not in ("", "\n") else "")
            )
            if not agrees(expected, printed):
                self.wrong.append(f"{self.page.name}:{block.line}: $ {command}\n{printed}")
        self.printed[block] = "".join(shown)

    def _change(self, module: str, command: str) -> None:
        """Deploy or destroy a pipeline, without Terraform."""
        if command == "destroy":
            self._runner.ask(reset=True)
            return
        name = re.findall(r"\bmain\((\w+)\)", (self.folder / f"{module}.py").read_text())[-1]
        self._python_run(module, program=False, deployed=[name])

    def _run(self, command: str) -> str:
        """Run one command line, and return what it prints."""
        words = shlex.split(command, comments=True)
        simple = not re.search(r"&&|[|;<>]", command)
        if words[0] == "export":
            name, _, value = words[1].partition("=")
            if name == "PYTHONPATH":
                value += os.pathsep + self._environment[name]
            self._environment[name] = value
            return ""
        if "deploy" in words:
            for stack in (self.folder / "terraform-out" / "stacks").iterdir():
                (stack / "test_override.tf.json").write_text(json.dumps(NO_LIFECYCLE))
        if words[0] == "cd":
            self._at = (self._at / words[1]).resolve()
            return ""
        if words[0] == "lokki-tf":
            words[:1] = ["python", "-m", "lokki_tf"]
        if words[0] == "python" and simple:
            output: str = self._python_run(*words[1:], program=True)["output"]
            return output
        python = Path(sys.executable).parent
        done = subprocess.run(
            ["bash", "-c", command], cwd=self._at, text=True, check=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={**self._environment, "PATH": f"{python}:{os.environ['PATH']}"},
        )  # fmt: skip
        return done.stdout


def transcript(text: str) -> Iterator[tuple[str, str]]:
    """Yield the commands of a console block, each with what it prints."""
    parts = re.split(r"^\$ ", text, flags=re.MULTILINE)
    assert not parts[0].strip(), f"a console block begins with a prompt: {text!r}"
    for part in parts[1:]:
        command, _, output = part.partition("\n")
        while command.endswith("\\"):
            more, _, output = output.partition("\n")
            command = command[:-1] + more.strip()
        yield command, output


def normalized(text: str) -> str:
    """Replace what differs from run to run: seconds, times, days, identifiers, ports."""
    for pattern, instead in (
        (r"\b\d+\.\d+ ?s\b", "N s"), (r"\b\d+ m?s\b", "N s"),
        (r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?(\.\d+)?( UTC|Z)?", "TIME"),
        (r"\d\d:\d\d:\d\d(\.\d+)?", "TIME"),
        (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}", "ID"), (r"\b(?=\w*\d)[0-9a-f]{7,64}\b", "ID"),
        (r"127\.0\.0\.1:\d+|localhost:\d+", "HOST"), (r"[─━—-]{3,}", "---"), (r"[ \t]+", " "),
        (r"[\d,]+ bytes", "N bytes"),
        (r"min\(\) iterable argument is empty", "min() arg is an empty sequence"),  # since 3.12
        (r"(?m)^ *[~^]+$", ""),  # tracebacks mark other parts since 3.13
    ):  # fmt: skip
        text = re.sub(pattern, instead, text)
    return "\n".join(line.strip() for line in text.strip().splitlines())


def agrees(expected: str, printed: str) -> bool:
    """Return whether a command printed what a page shows.

    ``…`` may be any text, or any lines. Steps that run at the same time end in any order.
    """
    shown, real = normalized(expected), normalized(printed)
    pattern = ".*".join(re.escape(one) for one in shown.split("…"))
    if re.fullmatch(pattern, real, re.DOTALL):
        return True
    return sorted(shown.splitlines()) == sorted(real.splitlines())


def _deploys(page: Page) -> bool:
    """Return whether a page's commands are to use Terraform."""
    kinds = {one.language for one in page.blocks}
    shown = any(" deploy" in one.code for one in page.blocks if one.language == "console")
    return TIMES > 1 and shown and "deployed" not in kinds


@pytest.mark.parametrize("page", [
    pytest.param(one, marks=[pytest.mark.terraform] if _deploys(one) else [])
    for one in PAGES
], ids=lambda page: page.name)  # fmt: skip
def test_what_a_page_shows_is_what_happens(page: Page, runner: Runner, tmp_path: Path) -> None:
    """The scripts of a page run, and its commands print what it shows."""
    if not any(one.in_script or one.title or one.language == "console" for one in page.blocks):
        return
    reader = Reader(page, runner, tmp_path)
    reader.follow()
    if re.search(r"<!-- deployed|LocalAws| deploy", page.text):
        runner.ask(reset=True)
    if WRITE:
        _renew(page, reader.printed)
        reader.wrong = [one for one in reader.wrong if ": $ " not in one]
    assert not reader.wrong, "\n\n".join(reader.wrong)


def _renew(page: Page, printed: Mapping[Block, str]) -> None:
    """Write what commands have printed into a page, where that differs from what it shows."""
    text = page.text
    for block, new in reversed(printed.items()):
        both = zip(transcript(block.code), transcript(new), strict=True)
        if all(agrees(expected, output) for (_, expected), (_, output) in both):
            continue
        new = re.sub(r"^(?=.)", block.indent, new, flags=re.MULTILINE)
        text = text[: block.span[0]] + new + text[block.span[1] :]
    page.path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_other_blocks_are_valid(
    page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settings load, data is parsed, and what shells run exists."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for block in page.blocks:
        where = f"{page.name}:{block.line}"
        if block.language == "toml" and Path(block.title).name in ("", "lokki.toml"):
            folder = tmp_path / str(block.line)
            folder.mkdir()
            (folder / "lokki.toml").write_text(block.code, encoding="utf-8")
            stage = re.search(r"\[stage\.(\w+)", block.code)
            load_config(folder, stage=stage[1] if stage else None)
        elif block.language == "toml":
            tomllib.loads(block.code)
        elif block.language == "json":
            json.loads(block.code)
        elif block.language == "hcl" and (program := shutil.which("terraform")):
            command = [program, "fmt", "-check", "-diff", "-"]
            subprocess.run(command, input=block.code, text=True, check=True, cwd=tmp_path)
        elif block.language == "yaml":
            yaml.safe_load(block.code)
        elif block.language == "bash":
            assert [one for line in block.code.splitlines() for one in _unknown(line)] == [], where
        else:
            known = {"python", "console", "setup", "deployed", *PLAIN}
            assert block.language in known, f"{where}: a block of {block.language!r}"


def _unknown(line: str) -> Iterator[str]:
    """Yield what a shell's line names and lokki_tf does not have."""
    words = shlex.split(line, comments=True)
    if "pip" in words:
        for extra in re.findall(r"lokki-tf\[([\w,]+)\]", line):
            yield from sorted({*extra.split(",")} - {*PROJECT["optional-dependencies"]})
    if words[:1] == ["make"]:
        targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        yield from (one for one in words[1:2] if one not in targets)
    if words[:1] == ["python"] and len(words) > 2 and words[1].endswith(".py"):
        commands = _commands()
        if words[2] not in commands:
            yield words[2]
        else:
            used = {
                one.partition("=")[0] for one in words[3:] if one.startswith("--") and one != "--"
            }
            yield from sorted(used - commands[words[2]] - {"--day", "--limit"})


def _commands() -> dict[str, set[str]]:
    """Return the options of each command."""
    from lokki_tf import Pipeline, step
    from lokki_tf.cli import command_line

    @step
    def work() -> None: ...

    group: Any = command_line(Pipeline("x", steps=[work()]))
    return {
        name: {option for one in command.params for option in (*one.opts, *one.secondary_opts)}
        for name, command in group.commands.items()
    }
