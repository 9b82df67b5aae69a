"""A pipeline of two plain commands and a loop over two items: what any world can run in a second."""

from typing import Any

from kfp import dsl

from core.images import image
from pipelines.config import UseCase


@dsl.container_component
def check(pause: str) -> dsl.ContainerSpec:
    return dsl.ContainerSpec(
        image=image("data"), command=["sh", "-c", 'test "$0" != broken && sleep "$0"'], args=[pause]
    )


def toy(usecase: UseCase) -> Any:
    """Wire it; `pause` is how long, in seconds, the first task takes."""

    @dsl.pipeline(name="toy")
    def pipeline(span: int, registry: str, pause: str = "0") -> None:
        first = check(pause=pause)
        with dsl.ParallelFor(["0", "0.01"]) as item:
            check(pause=item).after(first)

    return pipeline


def slow(usecase: UseCase) -> Any:
    @dsl.pipeline(name="slow")
    def pipeline(pause: str = "300") -> None:
        check(pause=pause)

    return pipeline


def broken(usecase: UseCase) -> Any:
    @dsl.pipeline(name="broken")
    def pipeline(word: str = "broken") -> None:
        check(pause=word)

    return pipeline


def greedy(usecase: UseCase) -> Any:
    @dsl.pipeline(name="greedy")
    def pipeline(span: int, horizon: int) -> None:
        check(pause="0")

    return pipeline
