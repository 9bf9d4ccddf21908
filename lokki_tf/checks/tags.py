"""Tags that AWS takes.

Source: AWS Tagging best practices and the resources' APIs: a key has 1 to 128 characters and
does not begin with ``aws:``, a value has at most 256.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lokki_tf.errors import OptionError
from lokki_tf.model import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lokki_tf.errors import Place
    from lokki_tf.model import Definition

LONGEST_KEY, LONGEST_VALUE = 128, 256


def check(definition: Definition) -> Iterator[Finding]:
    """The pipeline's tags and each step's."""
    yield from _tags("the pipeline", definition.tags, definition.place)
    for step in definition.steps:
        yield from _tags(f"step {step.name!r}", step.options.tags, step.place)


def _tags(whose: str, tags: Mapping[str, str], place: Place | None) -> Iterator[Finding]:
    for key, value in tags.items():
        if not 1 <= len(key) <= LONGEST_KEY or key.lower().startswith("aws:"):
            problem = f"has the tag {key[:40]!r}, and a key has 1 to 128 characters, not aws: first"
        elif len(value) > LONGEST_VALUE:
            problem = f"has a tag {key!r} of {len(value)} characters, and AWS takes 256"
        else:
            continue
        yield Finding("tags", f"{whose} {problem}", place, "shorten it", error=OptionError)
