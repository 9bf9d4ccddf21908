"""A run as one HTML page: a report that needs no network and runs no scripts.

:mod:`.model` is the data of a report, which :mod:`.of_run` makes of a local run, and
:mod:`lokki_tf.operate.report` of an execution in AWS. :mod:`.document` writes the page, with
:mod:`.values` for values and :mod:`.cards` for what steps have added; :mod:`.elements` escapes all
text. The page's content security policy allows nothing but its own style sheet and pictures in the
page itself. HTML of steps is in frames without scripts, forms or links to elsewhere.
"""

from .document import to_html
from .model import CardReport, FailedItem, LogEntry, Retry, RunReport, StepReport, Usage
from .values import MISSING, Unread

__all__ = [
    "MISSING",
    "CardReport",
    "FailedItem",
    "LogEntry",
    "Retry",
    "RunReport",
    "StepReport",
    "Unread",
    "Usage",
    "to_html",
]
