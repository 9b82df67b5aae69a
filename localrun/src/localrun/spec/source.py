"""Where a pipeline comes from: a compiled file, its content, or the function that kfp compiles."""

import importlib
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from localrun.errors import InvalidPipeline
from localrun.spec.load import load
from localrun.spec.pipeline import Pipeline


class Compilable(Protocol):
    """What `@dsl.pipeline` and `@dsl.component` make of a function."""

    @property
    def pipeline_spec(self) -> Any:
        """The compiled pipeline."""


Source = Path | str | Mapping[str, Any] | Compilable
"""A compiled file, its content, or a pipeline function."""


def opened(source: Source) -> Pipeline:
    """Load a pipeline from wherever it comes; errors as those of `load`."""
    if isinstance(source, Path | str):
        return load(Path(source))
    with tempfile.TemporaryDirectory(prefix="localrun-") as folder:
        path = Path(folder) / "pipeline.yaml"
        if isinstance(source, Mapping):
            _write(source, path)
        elif hasattr(source, "pipeline_spec"):
            importlib.import_module("kfp.compiler").Compiler().compile(source, str(path))
        else:
            hint = "; decorate it with @kfp.dsl.pipeline" if callable(source) else ""
            raise InvalidPipeline(
                f"wanted a compiled file, its content, or a pipeline function, got {type(source).__name__}{hint}"
            )
        return load(path)


def _write(content: Mapping[str, Any], path: Path) -> None:
    try:
        path.write_text(json.dumps(content), encoding="utf-8")  # JSON is YAML
    except (TypeError, ValueError) as error:
        raise InvalidPipeline(f"the content of a compiled pipeline is JSON: {error}") from error
