"""How often tests with random or injected faults are repeated: more often in ``make audit``."""

from __future__ import annotations

import os

TIMES = int(os.environ.get("LOKKI_TESTS_TIMES", "1"))
