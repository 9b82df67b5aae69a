"""The tiny models of the serving tests, in the layout that training leaves."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "unit" / "serving"))
