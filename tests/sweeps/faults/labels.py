"""An import of a labeling tool's file."""

from pathlib import Path

from artifacts.labels.files import folder_of, labels
from core import durable
from mlops.actions.labeling.exchange import ImportOptions, exported, import_file
from mlops.actions.labeling.formats import format_of
from tests.sweeps.faults.child import Seen
from tests.unit.actions.labeled_rows import AFTER, label, queue, rows, store

_TOOL = "prodigy"
_ROWS = rows("win a prize now", "see you at noon")


class Import:
    """Afterwards all labels are there or none, and a second import makes it all of them, once."""

    def __init__(self, folder: Path, _: Seen) -> None:
        folder.mkdir(parents=True)
        self._store = store(folder / "store")
        self._file = folder / "answers.jsonl"
        project = exported(queue(_ROWS), [label("k0"), label("k1", "ham")])
        self._file.write_text(format_of(_TOOL).dump(project))

    def act(self) -> None:
        """Import."""
        import_file(self._store, _ROWS, self._file, _TOOL, ImportOptions(now=AFTER))

    def problems(self) -> list[str]:
        """Read the labels, import again, and read them again."""
        folder = folder_of(self._store.root, "spam")
        found = [] if len(list(labels(folder))) in {0, 2} else ["a part of the labels is there"]
        self.act()
        if (keys := sorted(one.key for one in labels(folder))) != ["k0", "k1"]:
            found.append(f"after the second import there are labels of {keys}")
        if left := [path.name for path in folder.glob(f"{durable.STAGING}*")]:
            found.append(f"staging is left: {left}")
        return found
