"""The parameter `labels`: which label files a run reads. A pipeline has it only where the use case imports labels."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any

from pipelines.config import UseCase

Wiring = Callable[..., None]


def with_labels(usecase: UseCase) -> Callable[[Wiring], Wiring]:
    """Leave the last parameter, `labels`, out of a pipeline whose use case imports none; it is None there."""

    def decorate(wiring: Wiring) -> Wiring:
        if usecase.has("import_labels"):
            return wiring
        signature = inspect.signature(wiring)
        *others, last = signature.parameters.values()
        if last.name != "labels":
            raise TypeError(f"{wiring.__name__}: wanted labels as the last parameter, got {last.name}")

        @wraps(wiring)
        def without_labels(*values: Any) -> None:
            wiring(*values, None)

        without_labels.__signature__ = signature.replace(parameters=others)  # type: ignore[attr-defined]
        del without_labels.__annotations__["labels"], without_labels.__wrapped__
        return without_labels

    return decorate
