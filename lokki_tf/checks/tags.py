"""Tags that AWS accepts.

Source: AWS Tagging best practices and the resources' APIs: a resource has at most 50 tags; a key
has 1 to 128 characters, a value at most 256; both consist of letters, numbers, spaces and
``_.:/=+-@``, and do not begin with ``aws:``. IAM, whose roles have the tags of their steps, does
not accept keys that differ only in case (IAM User Guide, "Rules for tagging").
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from lokki_tf.errors import OptionError
from lokki_tf.model import Finding

from .names import UNWRITABLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lokki_tf.errors import Place
    from lokki_tf.model import Definition

LONGEST_KEY, LONGEST_VALUE, MOST = 128, 256, 50
_OWN_OF_PIPELINE = {"lokki:pipeline"}
_OWN_OF_STEP = {*_OWN_OF_PIPELINE, "lokki:step"}
_RULE = "AWS allows letters, digits, spaces and _.:/=+-@ in tags"


def check(definition: Definition) -> Iterator[Finding]:
    """Check the pipeline's tags and each step's, separately and together."""
    yield from _tags("the pipeline", definition.tags, definition.place)
    yield from _together("the pipeline", {*_OWN_OF_PIPELINE, *definition.tags}, definition.place)
    for step in definition.steps:
        if own := step.options.tags:
            whose = f"step {step.name!r}"
            yield from _tags(whose, own, step.place)
            yield from _together(whose, {*_OWN_OF_STEP, *definition.tags, *own}, step.place)


def _tags(whose: str, tags: Mapping[str, str], place: Place | None) -> Iterator[Finding]:
    for key, value in tags.items():
        if not 1 <= len(key) <= LONGEST_KEY or key.lower().startswith("aws:"):
            problem = f"has the tag {key[:40]!r}; keys must have 1 to 128 characters and not "
            problem += "begin with aws:"
            remedy = "shorten it" if len(key) > LONGEST_KEY else "write another key"
        elif len(value) > LONGEST_VALUE:
            problem = f"has a tag {key!r} of {len(value)} characters; AWS allows 256"
            remedy = "shorten it"
        elif value.lower().startswith("aws:"):
            problem, remedy = f"has a tag {key!r} that begins with aws:", "AWS reserves aws:"
        elif bad := _refused(key) or _refused(value):
            problem, remedy = f"has a tag {key!r}: {value[:40]!r} with {bad!r}", _RULE
        elif key == UNWRITABLE:
            problem, remedy = f"has the tag {key!r}, which CDKTF cannot write", "write another key"
        else:
            continue
        yield Finding("tags", f"{whose} {problem}", place, remedy, error=OptionError)


def _together(whose: str, keys: set[str], place: Place | None) -> Iterator[Finding]:
    if len(keys) > MOST:
        message = f"{whose} has {len(keys)} tags, those of lokki_tf and of the pipeline included"
        remedy = f"AWS allows {MOST} for a resource: remove some"
        yield Finding("tags", message, place, remedy, error=OptionError)
    folded: dict[str, str] = {}
    for key in sorted(keys):
        other = folded.setdefault(key.lower(), key)
        if other != key:
            message = f"{whose} has the tags {other!r} and {key!r}, which IAM treats as one key"
            yield Finding("tags", message, place, "remove one of them", error=OptionError)


def _refused(text: str) -> str:
    """Return the characters that AWS does not accept, each once."""
    bad = (
        one for one in text if one not in "_.:/=+-@" and unicodedata.category(one)[0] not in "LNZ"
    )
    return "".join(dict.fromkeys(bad))
