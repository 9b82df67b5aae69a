"""A component that does nothing, so that what remains is the runner."""

from kfp import dsl


@dsl.component(base_image="python:3.11")  # type: ignore[untyped-decorator]
def noop(number: int) -> int:
    """Return what it was given."""
    return number
