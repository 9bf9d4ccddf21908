"""Datasets in S3 that maps run over: Step Functions reads the items itself.

``S3Csv("prices", "2030/all.csv").map(convert)`` is a map without a step before it, and
``load().map(convert, over=S3Csv(…))`` one after a step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, Generic, TypedDict, TypeVar
from typing import Literal as OneOf

from lokki_tf.errors import OptionError
from lokki_tf.model import Dataset, TextOrRef
from lokki_tf.tracebacks import ends_at_caller

from .arguments import DATASET, argument
from .calls import Chain
from .links import open_map
from .locations import location_of
from .places import calling_place
from .results import Closed, Mappable

if TYPE_CHECKING:
    from typing import Self

    from lokki_tf.errors import Place

T = TypeVar("T")
MOST_ITEMS = 100_000_000
"""Source: AWS Step Functions Developer Guide, "ItemReader (Map)": the limit of ``MaxItems``."""
_HEADER_BYTES = 10_240
_DELIMITERS = {",": "COMMA", "|": "PIPE", ";": "SEMICOLON", " ": "SPACE", "\t": "TAB"}
Delimiter = OneOf[",", "|", ";", " ", "\t"]


class S3Object(TypedDict):
    """An item of :class:`S3Objects`.

    ``Etag`` is in double quotes, ``LastModified`` in seconds since 1970, and ``Size`` in bytes.
    """

    Etag: str
    Key: str
    LastModified: float
    Size: int
    StorageClass: str


@ends_at_caller
class _Reader(Mappable[list[T], Closed], Generic[T]):
    """Common part of all datasets."""

    _place: Place
    _dataset: Dataset

    def __new__(cls, *_: Any, **__: Any) -> Self:
        made = object.__new__(cls)
        object.__setattr__(made, "_place", calling_place())  # __init__ is generated code
        return made

    if not TYPE_CHECKING:

        def map(self, step: Any, *args: Any, **options: Any) -> Any:
            """Call a step for each item, in parallel.

            Args:
                step: Receives an item as its first argument; or a list of steps that run one after
                    another for each item.
                args: Further arguments of the (first) step.
                options: Further arguments of the step, and options of the map.
            """
            return Chain(open_map(getattr(self, DATASET)(), step, args, options))

    def _made(
        self, kind: Any, fields: Mapping[str, Any], config: Mapping[str, Any], most: int | None
    ) -> None:
        """Store the dataset, if it is valid.

        Args:
            kind: As for :class:`lokki_tf.model.Dataset`.
            fields: The location.
            config: Further fields of ``ReaderConfig``.
            most: The number of items to read.
        """
        place, name = self._place, type(self).__name__
        given = {key: argument(one, place) for key, one in fields.items()}
        location = location_of(name, given, place)
        if most is not None:
            is_whole = isinstance(most, int) and not isinstance(most, bool)
            if not is_whole or not 1 <= most <= MOST_ITEMS:
                raise OptionError(
                    f"{name}(max_items=…) must be a whole number from 1 to {MOST_ITEMS:,}, got "
                    f"{most!r}",
                    place=place,
                )
            config = {**config, "MaxItems": most}
        object.__setattr__(self, "_dataset", Dataset(kind, location, config, name))

    def __lokki_dataset__(self) -> Dataset:
        return self._dataset


@dataclass(frozen=True, eq=False)
class S3Objects(_Reader[S3Object]):
    """The objects of a bucket, each as a dict: what ``ListObjectsV2`` returns about it.

    Args:
        bucket: Name of the bucket: a text, a reference, a parameter, or the result of a step.
        prefix: What the keys begin with; the same.
        max_items: Number of objects to read, in the order of their keys; all by default.

    Raises:
        OptionError: If an argument is invalid.
    """

    bucket: TextOrRef
    prefix: TextOrRef = ""
    _: KW_ONLY
    max_items: int | None = None

    def __post_init__(self) -> None:
        prefix = {} if isinstance(self.prefix, str) and not self.prefix else {"Prefix": self.prefix}
        self._made("objects", {"Bucket": self.bucket, **prefix}, {}, self.max_items)


@dataclass(frozen=True, eq=False)
class S3Csv(_Reader[dict[str, str]]):
    """The rows of a CSV file, each as a dict of texts by column.

    Args:
        bucket: Name of the bucket: a text, a reference, a parameter, or the result of a step.
        key: Key of the file; the same.
        header: Names of the columns; by default the first row contains them.
        delimiter: What separates the fields: a comma, ``|``, a semicolon, a space or a tab.
        max_items: Number of rows to read; all by default.

    Raises:
        OptionError: If an argument is invalid.
    """

    bucket: TextOrRef
    key: TextOrRef
    _: KW_ONLY
    header: Sequence[str] | None = None
    delimiter: Delimiter = ","
    max_items: int | None = None

    def __post_init__(self) -> None:
        config: dict[str, Any] = {"CSVHeaderLocation": "FIRST_ROW"}
        if self.header is not None:
            header = _checked_header(self.header, self._place)
            config = {"CSVHeaderLocation": "GIVEN", "CSVHeaders": header}
        if self.delimiter not in (*_DELIMITERS,):
            raise OptionError(
                f"S3Csv(delimiter=…) must be one of {', '.join(map(repr, _DELIMITERS))}, got "
                f"{self.delimiter!r}",
                place=self._place,
            )
        if self.delimiter != ",":
            config["CSVDelimiter"] = _DELIMITERS[self.delimiter]
        self._made("csv", {"Bucket": self.bucket, "Key": self.key}, config, self.max_items)


@dataclass(frozen=True, eq=False)
class S3Json(_Reader[Any]):
    """The items of a JSON array; of a JSON object, each entry as a dict with ``Key`` and ``Value``.

    Args:
        bucket: Name of the bucket: a text, a reference, a parameter, or the result of a step.
        key: Key of the file; the same.
        max_items: Number of items to read; all by default.

    Raises:
        OptionError: If an argument is invalid.
    """

    bucket: TextOrRef
    key: TextOrRef
    _: KW_ONLY
    max_items: int | None = None

    def __post_init__(self) -> None:
        self._made("json", {"Bucket": self.bucket, "Key": self.key}, {}, self.max_items)


@dataclass(frozen=True, eq=False)
class S3JsonLines(_Reader[Any]):
    """The lines of a file, each of which is JSON.

    Args:
        bucket: Name of the bucket: a text, a reference, a parameter, or the result of a step.
        key: Key of the file; the same.
        max_items: Number of lines to read; all by default.

    Raises:
        OptionError: If an argument is invalid.
    """

    bucket: TextOrRef
    key: TextOrRef
    _: KW_ONLY
    max_items: int | None = None

    def __post_init__(self) -> None:
        self._made("jsonl", {"Bucket": self.bucket, "Key": self.key}, {}, self.max_items)


@dataclass(frozen=True, eq=False)
class S3Inventory(_Reader[dict[str, str]]):
    """The rows of an inventory of S3, each as a dict of texts, such as ``Bucket`` and ``Key``.

    Args:
        bucket: Name of the bucket that contains the inventory: a text, a reference, a parameter,
            or the result of a step.
        key: Key of the inventory's ``manifest.json``; the same.
        max_items: Number of rows to read; all by default.

    Raises:
        OptionError: If an argument is invalid.
    """

    bucket: TextOrRef
    key: TextOrRef
    _: KW_ONLY
    max_items: int | None = None

    def __post_init__(self) -> None:
        self._made("inventory", {"Bucket": self.bucket, "Key": self.key}, {}, self.max_items)


def _checked_header(header: Any, place: Place) -> list[str]:
    """Return the columns, which Step Functions requires to be different and at most 10 KiB."""
    problem = ""
    if isinstance(header, str) or not isinstance(header, Sequence) or not header:
        problem = "must be a list of names"
    elif not all(isinstance(one, str) for one in header):
        problem = "must contain texts"
    elif len({*header}) < len(header):
        problem = "must have different names"
    elif sum(len(one.encode()) for one in header) > _HEADER_BYTES:
        problem = f"must have at most {_HEADER_BYTES:,} bytes"
    if problem:
        shown = repr(header)
        shown = shown if len(shown) <= 200 else f"{shown[:200]}…"
        raise OptionError(f"S3Csv(header=…) {problem}, got {shown}", place=place)
    return list(header)
