"""References to what Terraform manages elsewhere: attributes of resources, variables, outputs.

Sources: Terraform's language, "References to Named Values" and "Identifiers".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NoReturn, TypeAlias

from lokki_tf.errors import OptionError, PlaceholderError
from lokki_tf.tracebacks import ends_at_caller

_NAME = r"[A-Za-z_][A-Za-z0-9_-]*(?:\[[0-9]+\])*"
_ADDRESS = re.compile(rf"{_NAME}(?:\.{_NAME})*", re.ASCII)
_PARTS = {"var": 2, "local": 2, "module": 3, "data": 4}
"""How many names the address of a single value has at least, by its first name."""
_PARTS_OF_RESOURCE = 3
_OF_BLOCKS = ("count", "each", "path", "self", "terraform")
_UNFIT = re.compile(r'["\\\x00-\x1f\x7f]|\$\{|%\{|[$%]$')
_EXAMPLE = (
    'write for example TerraformRef("aws_dynamodb_table.rows.arn"), "var.topic_arn" or '
    '"aws_subnet.a[0].id"'
)


@ends_at_caller
@dataclass(frozen=True, slots=True)
class TerraformRef:
    """A value that Terraform knows: it is written as the expression ``${address}``.

    It refers to your own ``.tf`` files beside the generated one. ``+`` adds text before or after:
    ``TerraformRef("aws_s3_bucket.raw.arn") + "/*"``.

    Args:
        address: Address of a single value: of an attribute (``aws_dynamodb_table.rows.arn``,
            ``aws_subnet.a[0].id``), or ``var.…``, ``local.…``, ``module.…`` or ``data.…``.
        before: Text before the value.
        after: Text after the value.

    Raises:
        OptionError: If the address or a text is not valid.
    """

    address: str
    before: str = ""
    after: str = ""

    def __post_init__(self) -> None:
        problem = _problem(self.address)
        if problem:
            raise OptionError(f"TerraformRef({self.address!r}) {problem}", remedy=_EXAMPLE)
        for text in (self.before, self.after):
            if not isinstance(text, str) or _UNFIT.search(text):
                raise OptionError(
                    f"{text!r} cannot be added to TerraformRef({self.address!r})",
                    remedy="add text without quotes, backslashes, line ends, ${ and %{",
                )

    @property
    def expression(self) -> str:
        """The reference as Terraform's text."""
        return self.filled(f"${{{self.address}}}")

    @property
    def label(self) -> str:
        """The name of what it refers to: ``rows`` of ``aws_dynamodb_table.rows.arn``."""
        first, *names = self.address.split(".")
        return re.sub(r"\[(\d+)\]", r"-\1", names[first == "data"])

    def filled(self, value: str) -> str:
        """Return a value with the texts before and after it.

        Args:
            value: The value at the address.
        """
        return f"{self.before}{value}{self.after}"

    def __add__(self, text: str) -> TerraformRef:
        return replace(self, after=self.after + text) if isinstance(text, str) else NotImplemented

    def __radd__(self, text: str) -> TerraformRef:
        return replace(self, before=text + self.before) if isinstance(text, str) else NotImplemented

    def __repr__(self) -> str:
        shown = (
            [f"{self.before!r} + "] * bool(self.before),
            [f" + {self.after!r}"] * bool(self.after),
        )
        return f"{''.join(shown[0])}TerraformRef({self.address!r}){''.join(shown[1])}"

    def __str__(self) -> str:
        self._refuse()

    def __format__(self, form: str) -> str:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise PlaceholderError(
            f"{self!r} has no text here: its value is known only to Terraform",
            remedy='add text with +, as in TerraformRef("aws_s3_bucket.raw.arn") + "/*"',
        )


TextOrRef: TypeAlias = str | TerraformRef
"""A text that may be known only to Terraform."""


def _problem(address: object) -> str:
    """Return what is wrong with an address; empty if nothing is."""
    if not isinstance(address, str):
        return "must have an address as a string"
    if "${" in address:
        return "must be an address without ${ and }"
    if '"' in address or "'" in address:
        return "contains quotes; define a local in a .tf file, and refer to it: local.NAME"
    if not _ADDRESS.fullmatch(address):
        return "is not the address of a value in Terraform"
    parts = address.split(".")
    if parts[0] in _OF_BLOCKS:
        return f"begins with {parts[0]}, which exists only inside of Terraform's own blocks"
    if len(parts) < _PARTS.get(parts[0], _PARTS_OF_RESOURCE):
        return "names no single value; add what is missing, an attribute such as .arn for example"
    return ""


def shown(value: TextOrRef) -> str:
    """Return a text, or the expression of a reference."""
    return value.expression if isinstance(value, TerraformRef) else value


_KEYS = {"ref", "before", "after"}


def ref_of(value: object) -> TerraformRef | None:
    """Return the reference that a table ``{"ref": address}`` is; ``None`` for other values.

    Args:
        value: A value of JSON or TOML.

    Raises:
        OptionError: If the reference is not valid.
    """
    if isinstance(value, Mapping) and "ref" in value and _KEYS.issuperset(value):
        return TerraformRef(
            **{"address": value["ref"], **{k: value[k] for k in value if k != "ref"}}
        )
    return None


def as_tables(value: Any) -> Any:
    """Return a value with each reference as a table, which :func:`ref_of` reads.

    Args:
        value: Dicts and lists, with references at any depth.
    """
    if isinstance(value, TerraformRef):
        texts = {"before": value.before, "after": value.after}
        return {"ref": value.address, **{key: text for key, text in texts.items() if text}}
    if isinstance(value, Mapping):
        return {key: as_tables(one) for key, one in value.items()}
    return [as_tables(one) for one in value] if isinstance(value, list | tuple) else value


def from_tables(value: Any, text: Callable[[TerraformRef], Any]) -> Any:
    """Return a value of JSON with something in the place of each table of a reference.

    Args:
        value: A value with tables, as :func:`as_tables` makes them.
        text: Returns what replaces a reference.
    """
    found = ref_of(value)
    if found is not None:
        return text(found)
    if isinstance(value, Mapping):
        return {key: from_tables(one, text) for key, one in value.items()}
    return [from_tables(one, text) for one in value] if isinstance(value, list) else value


def has_tables(value: Any) -> bool:
    """Return whether a value of JSON contains the table of a reference.

    Args:
        value: The value.
    """
    if ref_of(value) is not None:
        return True
    members = value.values() if isinstance(value, Mapping) else value
    return isinstance(value, Mapping | list) and any(map(has_tables, members))


def refs_in(value: Any) -> Iterator[TerraformRef]:
    """Yield the references in dicts, lists and tuples, at any depth.

    Args:
        value: Any value.
    """
    if isinstance(value, TerraformRef):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from refs_in(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from refs_in(one)
