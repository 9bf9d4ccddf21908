"""CSV files, as Step Functions reads them.

Source: AWS Step Functions Developer Guide, "How Step Functions parses input CSV files". Values are
texts. A row with fewer fields than there are columns has empty texts for the others, and further
fields are left out. In a field, two quotation marks are one; a backslash before a backslash, a
quotation mark or the delimiter stands for that character, and other backslashes are removed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from .failures import DatasetError

DELIMITERS = {"COMMA": ",", "PIPE": "|", "SEMICOLON": ";", "SPACE": " ", "TAB": "\t"}
_HEADER_BYTES = 10_240
_ITEM_BYTES = 8 * 1024 * 1024


def rows_of(
    lines: Iterable[str], delimiter: str = ",", header: Sequence[str] | None = None
) -> Iterator[dict[str, str]]:
    """Yield the rows of a file, each as a dict of texts by column.

    Args:
        lines: The lines, with their ends.
        delimiter: The character between fields.
        header: The columns; by default the first row contains them.

    Raises:
        DatasetError: If the columns or a row are too long, or two columns have the same name.
    """
    records = _records(iter(lines), delimiter)
    columns = header if header is not None else next(records, None)
    if columns is None:
        return
    if len({*columns}) < len(columns):
        raise DatasetError("CSV headers cannot contain duplicates.")  # AWS's text
    if sum(len(one.encode()) for one in columns) > _HEADER_BYTES:
        raise DatasetError(f"the CSV header has more than {_HEADER_BYTES:,} bytes")
    width = len(columns)
    for fields in records:
        if len(fields) < width:
            fields += [""] * (width - len(fields))
        yield dict(zip(columns, fields, strict=False))


def _records(lines: Iterator[str], delimiter: str) -> Iterator[list[str]]:
    for line in lines:
        if '"' not in line and "\\" not in line:
            if len(line) > _ITEM_BYTES:
                raise _too_long()
            yield line.rstrip("\r\n").split(delimiter)
        else:
            yield _record(line, lines, delimiter)


def _record(line: str, lines: Iterator[str], delimiter: str) -> list[str]:
    """Return the fields of a record that begins with a line, and may continue in further ones."""
    fields: list[str] = []
    field: list[str] = []
    quoted = began = False
    position = size = 0
    while True:
        if position == len(line):
            size += len(line)
            following = next(lines, None) if quoted else None
            if size + len(following or "") > _ITEM_BYTES:
                raise _too_long()
            if following is None:  # also without a closing quotation mark
                return [*fields, "".join(field)]
            line, position = following, 0
        character, after = line[position], line[position + 1 : position + 2]
        position += 1
        if character == "\\":
            if after in ("\\", '"', delimiter) and after:
                field.append(after)
                position += 1
        elif character == '"':
            if not began:
                quoted = True
            elif after == '"':
                field.append('"')
                position += 1
            elif quoted:
                quoted = False
            else:
                field.append('"')
        elif quoted:
            field.append(character)
        elif character == delimiter:
            fields.append("".join(field))
            field, began = [], False
            continue
        elif character in "\r\n":
            return [*fields, "".join(field)]
        else:
            field.append(character)
        began = True


def _too_long() -> DatasetError:
    return DatasetError(f"a row of the CSV file has more than {_ITEM_BYTES:,} bytes")
