"""No file that a stranger could have made is turned into code: no pickle, no Keras file, no array of objects."""

import ast
import functools
import re
from collections.abc import Iterable
from pathlib import Path

from tests.rooms import ROOT, SHIPPED

OWN_WORK_FOLDER = "between workers of one Beam job, which write and read it in the job's own work folder"
UNPICKLES = {
    "adapters/beside.py": "a file in memory without a name, which only forks of this very process have",
    "artifacts/statistics/combiners.py": "a copy of an object in memory; the bytes are never stored",
    "components/compute_statistics/groups_with_beam.py": OWN_WORK_FOLDER,
    "components/evaluate_model/beam_measuring.py": OWN_WORK_FOLDER,
    "components/evaluate_model/beam_scoring.py": OWN_WORK_FOLDER,
    "components/ingest_examples/with_beam.py": OWN_WORK_FOLDER,
    "components/transform_features/phase_with_beam.py": OWN_WORK_FOLDER,
    "localrun/src/localrun/hosts/watched.py": "bytecode by the source's hash, where Python keeps it",
}
"""Files that may unpickle, and whose bytes those are."""
PICKLES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "jsonpickle", "torch"}
KERAS = {"load_model", "load_weights", "model_from_json", "model_from_config", "model_from_yaml", "deserialize"}
"""Calls that read a Keras model, whose layers and lambdas are code."""
FILES_OF_KERAS = (".h5", ".keras", ".pkl")
ARRAYS = ("np.load", "numpy.load", "np.memmap")


@functools.cache
def texts() -> dict[Path, str]:
    return {path: path.read_text(encoding="utf-8") for room in SHIPPED for path in sorted((ROOT / room).rglob("*.py"))}


def files(words: Iterable[str]) -> list[Path]:
    """Return the files that have one of some words at all; the others need not be parsed."""
    pattern = re.compile("|".join(map(re.escape, words)))
    return [path for path, text in texts().items() if pattern.search(text)]


@functools.cache
def nodes(path: Path) -> list[ast.AST]:
    """Return all nodes of a file's syntax tree."""
    return list(ast.walk(ast.parse(texts()[path])))


@functools.cache
def calls(path: Path) -> list[tuple[str, ast.Call]]:
    """Return the calls in a file by the text of what is called."""
    return [(ast.unparse(node.func), node) for node in nodes(path) if isinstance(node, ast.Call)]


def imported(path: Path) -> set[str]:
    plain = {one.name.partition(".")[0] for node in nodes(path) if isinstance(node, ast.Import) for one in node.names}
    return plain | {(node.module or "").partition(".")[0] for node in nodes(path) if isinstance(node, ast.ImportFrom)}


def test_only_what_we_wrote_ourselves_is_unpickled() -> None:
    found = {path.relative_to(ROOT).as_posix() for path in files(PICKLES) if imported(path) & PICKLES}
    assert found == UNPICKLES.keys()


def test_arrays_are_read_without_objects() -> None:
    readers = [(path, call) for path in files(ARRAYS) for name, call in calls(path) if name in ARRAYS]
    assert len(readers) >= 5
    for path, call in readers:
        given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        assert given.get("allow_pickle", "False") == "False", f"{path.relative_to(ROOT)}:{call.lineno}"


def test_no_keras_file_is_read() -> None:
    """A SavedModel is read as a graph, whose operations are checked; the loaders of Keras run what a file says."""
    found = [
        f"{path.relative_to(ROOT)}:{call.lineno} {name}"
        for path in files(KERAS)
        for name, call in calls(path)
        if name.rpartition(".")[2] in KERAS and ("keras" in name or "models" in name)
    ]
    assert found == []
    for path in files(FILES_OF_KERAS):
        for node in nodes(path):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert not node.value.endswith(FILES_OF_KERAS), f"{path}:{node.lineno} {node.value}"
