"""Random trees of modules: imports of every form, effects at import, and a step that shows them.

Each module exports some names. Modules that are written later import those that are written
earlier, use what they export and change it. A step in the last module returns what it sees.
Imports of later modules make cycles: at the top of a module without use, or inside functions.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import strategies as st

NAMES = ["a", "b", "c", "pkg", "pkg.one", "pkg.two", "pkg.sub", "pkg.sub.deep"]
NAMES += ["space.left", "space.right"]
PACKAGES = ("pkg", "pkg.sub")
HOMES = ["pipeline", "pipeline", "pkg.pipeline", "pkg.sub.pipeline"]

SETTINGS = {
    "decimal.getcontext().prec": "import decimal\ndecimal.getcontext().prec = {n}",
    "getcontext().rounding": "from decimal import getcontext\ngetcontext().rounding = 'ROUND_UP'",
    "csv.field_size_limit()": "import csv\ncsv.field_size_limit({n})",
    "sys.getrecursionlimit()": "import sys\nsys.setrecursionlimit(2000 + {n})",
    "mimetypes.guess_type('x.lk')": "import mimetypes\nmimetypes.add_type('x/l{n}', '.lk')",
    "getattr(string, 'EXTRA', None)": "import string\nstring.EXTRA = {n}",
    "string.capwords('a b')": "import string\nstring.capwords = lambda one: 'patched {n}'",
    "os.environ.get('LT_A')": "import os\nos.environ['LT_A'] = '{n}'",
    "environ.get('LT_B')": "from os import environ\nenviron.setdefault('LT_B', '{n}')",
    "os.environ.get('LT_C')": "import os\nos.environ.update(LT_C='{n}', LT_D='d')",
    "os.environ.pop('LT_D', None)": "import os\n_popped = os.environ.pop('LT_D', None)",
}
"""Settings of Python's own modules: how each is read, by the code that sets it."""
HEADS = "import csv, decimal, mimetypes, os, string, sys\nfrom decimal import getcontext\n"
HEADS += "from os import environ\n"
EXPORTS = ["value", "list", "table", "class", "dispatch", "function", "make", "lazy", "step"]
EFFECTS = ["append", "register", "subclass", "extend", "patch", "setup", "setting", "loop"]
EFFECTS += ["assigned", "item"]
FORMS = ["import", "as", "from", "names", "star", "relative", "tried", "fallback", "if", "literal"]


@dataclass
class Written:
    """A module of a tree.

    Args:
        number: Its number, which is part of the names that it exports.
        name: Its absolute name.
        lines: Its statements.
        exports: Names, by what they are.
        listed: The names in its ``__all__``, if it has one.
        reach: The modules that it imports, and what comes before their names: ``None`` for
            names that are imported themselves.
    """

    number: int
    name: str
    lines: list[str] = field(default_factory=list)
    exports: dict[str, str] = field(default_factory=dict)
    listed: list[str] | None = None
    reach: list[tuple[Written, str]] = field(default_factory=list)
    known: set[str] = field(default_factory=set)

    @property
    def path(self) -> str:
        """Its file."""
        return self.name.replace(".", "/") + ("/__init__.py" if self.name in PACKAGES else ".py")

    @property
    def package(self) -> str:
        """The package that its relative imports start from."""
        return self.name if self.name in PACKAGES else self.name.rpartition(".")[0]

    @property
    def text(self) -> str:
        """Its source."""
        head = ["from __future__ import annotations"] if self.number % 3 == 1 else []
        return "\n".join([*head, *self.lines]) + "\n"


@st.composite
def trees(draw):
    """The files of a tree, the name of the step's module, and whether it runs as a script."""
    home = draw(st.sampled_from(HOMES))
    main = home == "pipeline" and draw(st.booleans())
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=6, unique=True))
    modules = [Written(n, name) for n, name in enumerate([*names, home])]
    for module in modules:
        _Writer(draw, modules, module).write(is_home=module is modules[-1])
    files = {module.path: module.text for module in modules}
    for name in [name for path in list(files) for name in _around(path)]:
        files.setdefault(name.replace(".", "/") + "/__init__.py", "")
    return files, home, main


def _around(path: str) -> list[str]:
    parts = path.split("/")[:-1]
    dotted = [".".join(parts[: n + 1]) for n in range(len(parts))]
    return [name for name in dotted if name in PACKAGES]


class _Writer:
    def __init__(self, draw, modules: list[Written], module: Written) -> None:
        self.draw, self.modules, self.module = draw, modules, module
        self.earlier = modules[: module.number]

    def pick(self, values):
        return self.draw(st.sampled_from(list(values)))

    def often(self) -> bool:
        return self.draw(st.integers(0, 3)) > 0

    def write(self, is_home: bool) -> None:
        """Write the module's statements."""
        lines = self.module.lines
        if is_home or self.draw(st.booleans()):
            lines.append("from lokki_tf import step")
            self.module.known.add("step")
        lines.append(HEADS.rstrip())
        for _ in range(self.draw(st.integers(1, 7))):
            kind = self.pick(["import", "define", "define", "effect", "effect", "guarded"])
            if kind == "import" or (kind == "effect" and not self.module.reach):
                self.imports()
            elif kind == "define":
                self.define(self.pick(EXPORTS))
            elif kind == "effect":
                lines += self.effect()
            else:
                lines += self.guarded()
        if not is_home and self.draw(st.integers(0, 3)) == 0 and self.module.exports:
            names = [n for kind, n in self.module.exports.items() if kind != "lazy"]
            self.module.listed = [name for name in names if self.draw(st.booleans())]
            lines.append(f"__all__ = {self.module.listed!r}")
        if is_home:
            self.steps()

    # --- imports --------------------------------------------------------------------

    def imports(self) -> None:
        """Import a module, most often an earlier one."""
        late = [one for one in self.modules if one.number > self.module.number]
        if self.draw(st.integers(0, 5)):  # else everything is whole
            late = late[:-1]
        if self.earlier and (not late or self.often()):
            other = self.pick(self.earlier)
            lines, prefix = self.imported(other)
            self.module.lines += lines
            self.module.reach.append((other, prefix))
        elif late:
            self.module.lines.append(f"import {self.pick(late).name}")

    def imported(self, other: Written, form: str = "") -> tuple[list[str], str]:
        """The lines that import a module, and what comes before its names then."""
        form = form or self.pick(FORMS)
        name = other.name
        alias = f"m{other.number}"
        parent, _, last = name.rpartition(".")
        if form == "from" and parent:
            return [f"from {parent} import {last}"], f"{last}."
        if form == "relative" and parent and self.module.package.split(".")[0] == parent:
            dots = "." * (self.module.package.count(".") + 1)
            if self.module.package == parent or self.module.package.startswith(f"{parent}."):
                return [f"from {dots} import {last} as {alias}"], f"{alias}."
        if form in ("names", "star"):
            names = [one for kind, one in other.exports.items() if kind != "lazy"]
            if form == "star":
                return [f"from {name} import *"], "*"
            if names:
                return [f"from {name} import {', '.join(names)}"], ""
        if form == "tried":
            return [
                f"try:\n    import {name} as {alias}\nexcept ImportError:\n    {alias} = None"
            ], f"{alias}."
        if form == "fallback":
            return [
                f"try:\n    import not_there as {alias}\n"
                f"except ImportError:\n    import {name} as {alias}"
            ], f"{alias}."
        if form == "if":
            return [
                f"if sys.version_info > (3,):\n    import {name} as {alias}\n"
                "else:\n    import not_there"
            ], f"{alias}."
        if form == "literal":
            text = f"import importlib\n{alias} = importlib.import_module({name!r})"
            if parent and self.module.package == parent and self.draw(st.booleans()):
                text = "from importlib import import_module\n"
                text += f"{alias} = import_module('.{last}', __package__)"
            return [text], f"{alias}."
        if form == "import":
            return [f"import {name}"], f"{name}."
        return [f"import {name} as {alias}"], f"{alias}."

    # --- definitions ----------------------------------------------------------------

    def define(self, kind: str) -> None:
        """Define a name that the module exports."""
        module, n = self.module, self.module.number
        if kind in module.exports or (kind == "step" and "step" not in module.known):
            return
        name = {"class": f"C{n}", "table": f"T{n}"}.get(kind, f"{kind}{n}")
        texts = {
            "value": lambda: f"{name} = {self.value()}",
            "list": lambda: f"{name} = [{self.value()}]",
            "table": lambda: (
                f"{name} = {{}}\n"
                f"def reg{n}(key):\n    def keep(one):\n        {name}[key] = one\n"
                "        return one\n    return keep"
            ),
            "class": lambda: self.new_class(name),
            "dispatch": lambda: (
                f"from functools import singledispatch\n@singledispatch\n"
                f"def {name}(one):\n    return 'any {n}'"
            ),
            "function": lambda: self.function(name),
            "make": lambda: (
                f"class Made{n}:\n    size = {self.value()}\n"
                f"    def get(self):\n        return Made{n}.size, {self.value(lazy=True)}\n"
                f"def {name}():\n    return Made{n}()"
            ),
            "lazy": lambda: (
                f"def __getattr__(name):\n    if name == {name!r}:\n"
                f"        return {self.value(lazy=True)}\n    raise AttributeError(name)"
            ),
            "step": lambda: f"@step\n{self.function(name)}",
        }
        module.lines.append(texts[kind]())
        module.exports[kind] = name

    def new_class(self, name: str) -> str:
        """A class that notes its subclasses, perhaps with a base of another module."""
        bases = [f"{p}{one.exports['class']}" for one, p in self.reached("class")]
        base = self.pick(["", *bases])
        return (
            f"class {name}{f'({base})' if base else ''}:\n    seen = [{self.value()}]\n"
            "    def __init_subclass__(cls):\n        super().__init_subclass__()\n"
            f"        {name}.seen.append(cls.__name__)\n"
            f"    def get(self):\n        return {self.value(lazy=True)}"
        )

    def function(self, name: str) -> str:
        """A function, perhaps with an import in it."""
        body: list[str] = []
        values = [self.value(lazy=True)]
        if self.draw(st.booleans()):
            found = self.within()
            if found is not None:
                body, values = found[0], [*values, found[1]]
        inside = "".join(f"    {line}\n" for text in body for line in text.split("\n"))
        return f"def {name}():\n{inside}    return [{', '.join(values)}]"

    def within(self) -> tuple[list[str], str] | None:
        """An import inside a function, of any module, and a value of that module."""
        others = [one for one in self.modules if one is not self.module]
        if others[-1] is self.modules[-1] and self.draw(st.integers(0, 5)):
            others.pop()
        if not others:
            return None
        other = self.pick(others)
        form = self.pick([one for one in FORMS if one != "star"])
        lines, prefix = self.imported(other, form)
        if other.number > self.module.number:
            alias = f"m{other.number}"
            return [f"import {other.name} as {alias}"], f"{alias}.__name__"
        seen = self.observed(other, prefix, lazy=True)
        return (lines, self.pick(seen)) if seen else (lines, "0")

    def guarded(self) -> list[str]:
        """A definition under a condition."""
        n, name = self.module.number, f"function{self.module.number}"
        if "function" in self.module.exports:
            return []
        test = self.pick([self.value(), "not_there", "os.name == 'nt'"])
        self.module.exports["function"] = name
        if test == "not_there":
            return [
                f"try:\n    import not_there\nexcept ImportError:\n    def {name}():\n"
                f"        return {self.value(lazy=True)}"
            ]
        return [
            f"if {test}:\n    def {name}():\n        return {self.value(lazy=True)}\n"
            f"else:\n    def {name}():\n        return 'other {n}'"
        ]

    # --- effects --------------------------------------------------------------------

    def reached(self, *kinds: str) -> list[tuple[Written, str]]:
        """The imported modules, and this one, that export something of a kind."""
        found = [(self.module, "")]
        for one, prefix in self.module.reach:
            found.append((one, prefix))
        usable = []
        for one, prefix in found:
            names = [one.exports[kind] for kind in kinds if kind in one.exports]
            if prefix == "*":
                names = [n for n in names if one.listed is None or n in one.listed]
                prefix = ""
            if names:
                usable.append((one, prefix))
        return usable

    def effect(self) -> list[str]:
        """Statements that act on other modules."""
        kind, n = self.pick(EFFECTS), self.module.number
        key = f"k{n}_{len(self.module.lines)}"
        if kind == "setting":
            return [self.pick(SETTINGS.values()).format(n=n + 20)]
        if kind in ("append", "loop", "assigned"):
            return [
                self.on_list(kind, f"{one[1]}{one[0].exports['list']}", key)
                for one in self.some("list")
            ]
        if kind in ("register", "item"):
            found = []
            for one, prefix in self.some("table"):
                if kind == "item" or prefix == "":
                    found.append(f"{prefix}{one.exports['table']}[{key!r}] = {self.value()}")
                else:
                    found.append(
                        f"@{prefix}reg{one.number}({key!r})\ndef on_{key}():\n"
                        f"    return {self.value(lazy=True)}"
                    )
            return found
        if kind == "subclass":
            return [
                f"class Sub{key}({p}{one.exports['class']}):\n    made = {self.value()}"
                for one, p in self.some("class")
            ]
        if kind == "extend":
            return [
                f"@{p}{one.exports['dispatch']}.register({self.pick(['int', 'str', 'list'])})\n"
                f"def _d{key}(one):\n    return {self.value(lazy=True)}"
                for one, p in self.some("dispatch")
            ]
        if kind == "patch":
            found = []
            for one, prefix in self.some("function", "value"):
                if prefix.endswith("."):
                    which = self.pick([k for k in ("function", "value") if k in one.exports])
                    value = f"'v{key}'" if which == "value" else f"lambda: 'f{key}'"
                    found.append(f"{prefix}{one.exports[which]} = {value}")
            return found
        if "setup" not in self.module.exports and "list" in self.module.exports:
            own = self.module.exports["list"]
            self.module.exports["setup"] = f"setup{n}"
            return [
                f"def setup{n}(one):\n    {own}.append(one)\n    return len({own})",
                f"setup{n}({key!r})",
            ]
        found = []
        for one, prefix in self.some("setup"):
            call = f"{prefix}{one.exports['setup']}({key!r})"
            found.append(self.pick([call, f"_r{key} = {call}"]))
        return found

    def on_list(self, kind: str, name: str, key: str) -> str:
        """A change of a list."""
        if kind == "loop":
            return f"for _i in range(2):\n    {name}.append(_i)"
        if kind == "assigned":
            return f"{name} += [{key!r}]" if "." not in name else f"{name}[0] = {key!r}"
        return f"{name}.append({self.value()})"

    def some(self, *kinds: str) -> list[tuple[Written, str]]:
        """One of the modules that export something of a kind, if there is one."""
        found = self.reached(*kinds)
        return [self.pick(found)] if found else []

    # --- what is seen ---------------------------------------------------------------

    def value(self, lazy: bool = False) -> str:
        """An expression: a constant, a setting, or what a module exports."""
        seen = [
            text
            for one, prefix in [*self.module.reach, (self.module, "")]
            for text in self.observed(one, prefix, lazy)
        ]
        if not seen or self.draw(st.integers(0, 2)) == 0:
            return str(self.draw(st.integers(0, 9)))
        return self.pick(seen)

    def observed(self, other: Written, prefix: str, lazy: bool) -> list[str]:
        """Expressions that show the state of a module."""
        found: list[str] = []
        for kind, name in other.exports.items():
            if prefix == "*" and (
                kind == "lazy" or name not in (other.listed or [name]) or other.listed == []
            ):
                continue
            one = f"{'' if prefix == '*' else prefix}{name}"
            if kind == "lazy":
                found += [one] if prefix not in ("", "*") else []
            elif kind == "step":
                found += [f"{one}()"] if lazy == "step" else []
            elif kind == "class":
                found += [f"sorted(c.__name__ for c in {one}.__subclasses__())"]
                found += [f"list({one}.seen)", f"{one}().get()", f"{one}.__module__"]
            elif kind == "make":
                found += [f"{one}().get()", f"type({one}()).__module__"]
                if prefix.endswith("."):
                    found += [f"isinstance({one}(), {prefix}Made{other.number})"]
            elif kind in ("function", "setup"):
                found += [f"{one}()"] if kind == "function" else []
            elif kind == "dispatch":
                found += [f"{one}(1)", f"{one}('s')", f"{one}([])"]
            else:
                found += [{"list": f"list({one})", "table": f"sorted({one})"}.get(kind, one)]
        if prefix.endswith("."):
            found.append(f"{prefix}__name__")
        found += [self.pick(SETTINGS)]
        return found

    # --- steps ----------------------------------------------------------------------

    def steps(self) -> None:
        """A step that nothing of the other needs, and the one that is looked at."""
        lines = self.module.lines
        if self.draw(st.booleans()):
            lines.append("@step\n" + self.function("other"))
        body: list[str] = []
        values = []
        if self.draw(st.booleans()):
            found = self.within()
            if found is not None:
                body, values = found[0], [found[1]]
        reach = [*self.module.reach, (self.module, "")]
        seen = [text for one, prefix in reach for text in self.observed(one, prefix, "step")]
        values += self.draw(st.lists(st.sampled_from(seen), min_size=1, max_size=5, unique=True))
        inside = "".join(f"    {line}\n" for text in body for line in text.split("\n"))
        lines.append(f"@step\ndef f():\n{inside}    return [{', '.join(values)}]")
        for _ in range(self.draw(st.integers(0, 2))):
            lines += self.effect()
