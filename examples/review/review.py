"""A review of two other pipelines, which are parts of this one.

python examples/review/review.py run --day 2013-12-24
"""

from __future__ import annotations

from clusters import clusters
from daily import daily

from lokki_tf import Parameter, Pipeline, main, step


@step
def page(line: str, kinds: list[str]) -> str:
    """Put the lines under each other."""
    return "\n".join([line, "", "Kinds of days in 2013:", *kinds])


day = Parameter("day", str, default="2013-12-24")
review = Pipeline("review", steps=[page(daily(day=day), clusters())])

if __name__ == "__main__":
    main(review)
