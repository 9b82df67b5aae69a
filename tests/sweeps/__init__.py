"""Sweeps over more cases than a test run has time for: `python -m tests.sweeps`. Tests beside them try samples.

The runner has tests of its own, which need nothing of the product; its sweeps are imported from there, as `sweeps`.
"""

import sys
from pathlib import Path

_RUNNER = str(Path(__file__).parents[2] / "localrun" / "tests")

if _RUNNER not in sys.path:
    sys.path.append(_RUNNER)
