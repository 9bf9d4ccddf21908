"""Random modules: what is cut out of them gives what they give, and is no more than needed."""

from __future__ import annotations

import linecache
import re
import sys
import types

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lokki_tf.packaging import cut

NAMES = [f"n{n}" for n in range(8)]


@st.composite
def modules(draw):
    """Statements that bind, rebind and change names, and a step that uses some of them."""
    kinds: dict[str, str] = {}
    lines = ["from lokki_tf import step"]
    for _ in range(draw(st.integers(1, 14))):
        name = draw(st.sampled_from(NAMES))
        used = draw(st.lists(st.sampled_from(NAMES), max_size=3))
        value = " + ".join([str(draw(st.integers(0, 9))), *(_value(kinds, n) for n in used)])
        kind = draw(st.sampled_from(["number", "list", "function", "class", "change", "block"]))
        if kind == "number":
            kinds[name] = "number"
            lines.append(f"{name} = {value}")
        elif kind == "list":
            kinds[name] = "list"
            lines.append(f"{name} = [{value}]")
        elif kind == "function":
            # Calls what is bound when it is called; functions only of smaller names.
            kinds[name] = "function"
            called = [n for n in used if n < name]
            body = " + ".join(
                ["1", *(f"{n}()" if _is_function(kinds, n) else f"sum([{n}][:0])" for n in called)]
            )
            read = " + ".join(["0", *(f"size({n})" for n in used if n not in called)])
            lines.append(f"def {name}():\n    return {body} + {read}")
        elif kind == "class":
            kinds[name] = "class"
            read = " + ".join(["0", *(f"size({n})" for n in used)])
            state = draw(st.sampled_from(NAMES))
            lines.append(
                f"class {name}:\n    made = {value}\n"
                f"    def get(self):\n        return {read}\n"
                f"    def bump(self):\n        global {state}\n"
                f"        {state} = {state} + 1 if isinstance({state}, int) else {state}\n"
                f"        return size({state})"
            )
        elif kind == "change" and kinds.get(name) == "list":
            lines.append(draw(st.sampled_from([f"{name}.append({value})", f"{name}[0] = {value}"])))
        elif kind == "change" and kinds.get(name) == "number":
            lines.append(f"{name} += {value}")
        elif kind == "block":
            kinds[name] = "number"
            lines.append(f"for {name} in range(3):\n    {name} = {name} + {value}")
    lines.append("def size(x):\n    return len(x) if isinstance(x, list) else 1")
    used = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4))
    mentioned = ", ".join(_value(kinds, n, within=True) for n in used)
    lines.append(f"@step\ndef f():\n    return [{mentioned}]")
    return lines


def _value(kinds, name, within=False):
    """An expression with a name; only inside the step one that changes others."""
    if kinds.get(name) == "class":
        return f"{name}().get() + {name}().bump()" if within else f"{name}.made"
    kinds_of_values = {"function": f"{name}()", "list": f"sum({name})", "number": name}
    return kinds_of_values.get(kinds.get(name), "0")


def _is_function(kinds, name):
    return kinds.get(name) == "function"


def needed(lines):
    """All names that the step may need, by the words of the statements that make them."""
    makers: dict[str, list[str]] = {}
    for line in lines:
        made = re.match(r"(?:@step\n)?(?:for |def |class )?(\w+)", line)
        makers.setdefault(made.group(1), []).append(line)
    found, waiting = {"f"}, set(re.findall(r"\w+", lines[-1]))
    while waiting:
        name = waiting.pop()
        if name in makers and name not in found:
            found.add(name)
            waiting |= {word for line in makers[name] for word in re.findall(r"\w+", line)}
    return found


def run(one):
    """The result of a cut's function, with the cut's modules in place of any others."""
    made = {}
    try:
        for path, text in one.files.items():
            module = types.ModuleType(path.removesuffix(".py"))
            made[module.__name__] = module
            sys.modules[module.__name__] = module
            exec(compile(text.decode(), path, "exec"), vars(module))
        names: dict[str, object] = {}
        exec(compile(one.source, "<cut>", "exec"), names)
        return names["f"]()
    finally:
        for name in made:
            del sys.modules[name]


@settings(deadline=None, max_examples=250)
@given(modules())
def test_the_cut_gives_what_the_module_gives(lines):
    """The step's result is the same, and no name is carried that nothing needs."""
    source = "\n".join(lines) + "\n"
    filename = "<random module>"
    linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
    names: dict[str, object] = {"__name__": "a_random_module"}
    try:
        exec(compile(source, filename, "exec"), names)
        here = names["f"].step.function()
    except (AttributeError, NameError, TypeError, RecursionError):
        assume(False)
    one = cut(names["f"].step)
    layout = one.layout()
    texts = [data.decode() for data in layout.files.values()]
    text = "\n".join((*texts, "# ---", layout.source))
    assert run(layout) == here, text
    assert {name for piece in one.pieces for name in piece.binds} <= needed(lines), text
    assert not [finding for finding in one.findings if finding.severity == "error"]
    del linecache.cache[filename]
