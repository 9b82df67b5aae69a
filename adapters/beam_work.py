"""What workers of Beam hand back to the step that started them: small files in a folder that both see."""

import tempfile
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apache_beam as beam

from core.beam.settings import Runner
from core.object_stores import locations
from core.object_stores.locations import Location


@contextmanager
def work_folder(runner: Runner, output: Path | str) -> Iterator[Location]:
    """Make a folder for one pipeline, in `work` or beside an output of the step; it is removed at the end.

    Raises ConfigError when workers of another machine could not see it.
    """
    if runner.is_local_process and not runner.work:
        with tempfile.TemporaryDirectory(prefix="mlops-beam-") as folder:
            yield Path(folder)
        return
    folder_of_run = locations.join(base_of_work(runner, output), f".beam-{uuid.uuid4().hex}")
    try:
        yield folder_of_run
    finally:
        locations.remove(folder_of_run)


def base_of_work(runner: Runner, output: Path | str) -> Location:
    """Return where `work_folder` makes its folders for a runner whose workers do not take this machine's."""
    return locations.located(runner.work) if runner.work else seen_by_workers(runner, output, "the output")


def seen_by_workers(runner: Runner, place: Path | str, what: str) -> Location:
    """Return where workers find a file or folder of this step; ConfigError, which names it, where they cannot."""
    return locations.located(place) if runner.sees_disk else locations.remote(place, what)


def distributed(
    pipeline: beam.Pipeline, name: str, elements: Iterable[Any], after: beam.PCollection | None = None
) -> Any:
    """Return a collection of elements that all workers take from, as many each; `name` is its name in the graph.

    They come when the one element of `after` has.
    """
    # Not by Reshuffle: portable runners take it for one step, while tf.Transform copies the part behind its grouping,
    # and its elements have three parts, whose coder Prism does not know.
    pairs = list(enumerate(elements))
    if after is None:
        numbered = pipeline | name >> beam.Create(pairs, reshuffle=False)
    else:
        numbered = after | name >> beam.FlatMap(_instead, pairs)
    return numbered | f"Distribute {name}" >> beam.GroupByKey() | f"Each of {name}" >> beam.FlatMap(_values)


def gathered(collection: beam.PCollection, name: str) -> Any:
    """Return a collection of one element, the list of those of another one."""
    return (
        collection
        | f"Key {name}" >> beam.Map(_keyed)
        | f"Gather {name}" >> beam.GroupByKey()
        | name >> beam.Map(_values)
    )


def _instead(_: Any, pairs: list[tuple[int, Any]]) -> list[tuple[int, Any]]:
    return pairs


def _keyed(element: Any) -> tuple[int, Any]:
    return 0, element


def _values(group: tuple[int, Iterable[Any]]) -> list[Any]:
    return list(group[1])


class Keep(beam.DoFn):  # type: ignore[misc]  # Beam has no types
    """Writes (name, content) to a folder; a bundle that is run again writes the same files again."""

    def __init__(self, folder: Location) -> None:
        self._folder = folder

    def process(self, element: tuple[str, bytes]) -> list[str]:
        """Write one file, and return its name."""
        name, content = element
        locations.write(locations.join(self._folder, name), content, synced=False)
        return [name]
