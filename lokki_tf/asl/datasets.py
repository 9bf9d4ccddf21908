"""Maps over datasets in S3: the location that Step Functions reads, and what it depends on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lokki_tf.model import REQUIRED, Dataset, Literal, Parameter, Part, TerraformRef, whole
from lokki_tf.runtime.texts import LONGEST

from .literals import ref_placeholder
from .references import Reference, path, shared
from .text import Template
from .waits import parameter_state, parameter_variables

if TYPE_CHECKING:
    from collections.abc import Callable

    from lokki_tf.model import Binding, Definition, Map

    from .scopes import Scope

_ESCAPED = 3  # bytes of a character of a key, at most, in the JSON of Lambda's response
TEXT_BYTES = len(', "text_00": ""') + _ESCAPED * LONGEST
"""Bytes that a text adds to an envelope."""


@dataclass(slots=True, eq=False)
class Datasets:
    """The locations of all datasets, and the texts that steps return for them.

    Args:
        definition: The pipeline.
        locations: From each map to the fields of its location: a literal, a reference, a
            parameter, or a result with the key of the text in its envelope.
        texts: From each node to the texts that its envelope has, by key: how each is selected, or
            ``None`` for the whole result.
        variables: Variables that states before a map assign, by map and field.
    """

    definition: Definition
    locations: dict[str, dict[str, Any]] = field(default_factory=dict)
    texts: dict[str, dict[str, Any]] = field(default_factory=dict)
    variables: dict[tuple[str, str], str] = field(default_factory=dict)
    _keys: dict[tuple[str, Any], str] = field(default_factory=dict)

    def add(self, one: Map, found: Callable[[Binding], Reference | Parameter]) -> None:
        """Add a map over a dataset.

        Args:
            one: The map.
            found: Returns the parameter or result to which a binding refers.
        """
        assert isinstance(one.items, Dataset)
        fields: dict[str, Any] = {}
        for name, binding in one.items.fields.items():
            fields[name] = binding
            if not isinstance(binding, Literal | TerraformRef):
                source = found(whole(binding))
                fields[name] = source
                if isinstance(source, Reference):
                    fields[name] = source, self._key(source.name, binding)
        self.locations[one.name] = fields

    def assign(self, taken: set[str]) -> None:
        """Choose the variables for parameters that have a default.

        Args:
            taken: Names of other variables; the new ones are added.
        """
        for one, fields in self.locations.items():
            optional = {
                name: source
                for name, source in fields.items()
                if isinstance(source, Parameter) and self._default(source) is not REQUIRED
            }
            for name, source in optional.items():
                found = parameter_variables({one: source}, f"lokki_{name.lower()}", taken)
                self.variables[one, name] = found[one]

    def reader(self, one: Map, scope: Scope) -> dict[str, Any]:
        """Return the ``ItemReader`` of a map.

        Args:
            one: The map.
            scope: Its scope.
        """
        assert isinstance(one.items, Dataset)
        parameters: dict[str, Any] = {}
        for name, source in self.locations[one.name].items():
            if isinstance(source, Literal):
                parameters[name] = source.value
            elif isinstance(source, TerraformRef):
                parameters[name] = Template(f"${{{ref_placeholder(source)}}}")
            elif isinstance(source, Parameter):
                variable = self.variables.get((one.name, name))
                parameters[f"{name}.$"] = f"${variable}" if variable else _given(source, scope)
            else:
                reference, key = source
                parameters[f"{name}.$"] = f"{path(reference, scope)}.{key}"
        action = "listObjectsV2" if one.items.kind == "objects" else "getObject"
        config = one.items.reader_config
        return {
            "Resource": Template(f"arn:${{partition}}:states:::s3:{action}"),
            **({"ReaderConfig": config} if config else {}),
            "Parameters": parameters,
        }

    def is_prepared(self, one: Map) -> bool:
        """Return whether states before a map assign its location."""
        return any((one.name, name) in self.variables for name in self.locations.get(one.name, ()))

    def states(
        self, one: Map, scope: Scope, entry: str, following: str, own_name: Callable[[str], str]
    ) -> dict[str, Any]:
        """Return the states before a map, which assign parameters that have a default.

        Args:
            one: The map.
            scope: Its scope.
            entry: Name of the first of these states.
            following: Name of the state after them.
            own_name: Returns a name that no other state has.
        """
        names = [name for name in self.locations[one.name] if (one.name, name) in self.variables]
        own = [entry, *(own_name(f"{name} of {one.name}") for name in names[1:])]
        found: dict[str, Any] = {}
        for name, state, after in zip(names, own, [*own[1:], following], strict=True):
            parameter = self.locations[one.name][name]
            found[state] = parameter_state(
                _given(parameter, scope),
                self._default(parameter),
                self.variables[one.name, name],
                after,
            )
        return found

    def _key(self, node: str, binding: Binding) -> str:
        selection = binding.selection if isinstance(binding, Part) else None
        way = node, binding.path if isinstance(binding, Part) else None
        known = self.texts.setdefault(node, {})
        if way not in self._keys:
            self._keys[way] = "text" if selection is None else f"text_{len(known)}"
            known[self._keys[way]] = selection
        return self._keys[way]

    def _default(self, parameter: Parameter) -> Any:
        (one,) = (each for each in self.definition.parameters if each.name == parameter.name)
        return one.default


def _given(parameter: Parameter, scope: Scope) -> str:
    around = scope.map
    given = "$$.Execution.Input" if around is None else f"{shared(around)}.given"
    return f"{given}.{parameter.name}"
