"""Makes the picture of the README from a real run: `python picture.py`."""

import shutil
import tempfile
from pathlib import Path
from typing import List

from kfp import dsl

import localrun
from localrun import Environment, Options

STEP = 'sleep "0.$2"; echo "$0" > "$1"'


@dsl.container_component
def load(data: dsl.Output[dsl.Dataset]):
    return dsl.ContainerSpec(image="alpine", command=["sh", "-c", STEP, "rows", data.path, "6"])


@dsl.container_component
def train(data: dsl.Input[dsl.Dataset], rate: float, model: dsl.Output[dsl.Model]):
    return dsl.ContainerSpec(image="alpine", command=["sh", "-c", STEP, rate, model.path, "8", data.path])


@dsl.container_component
def choose(models: dsl.Input[List[dsl.Model]], accuracy: dsl.OutputPath(float)):
    return dsl.ContainerSpec(image="alpine", command=["sh", "-c", STEP, "0.93", accuracy, "3"])


@dsl.container_component
def push(accuracy: float):
    return dsl.ContainerSpec(image="alpine", command=["sh", "-c", "sleep 0.4", accuracy])


@dsl.container_component
def report():
    return dsl.ContainerSpec(image="alpine", command=["true"])


@dsl.pipeline(name="training")
def training() -> None:
    with dsl.ExitHandler(report()):
        data = load()
        with dsl.ParallelFor([0.1, 0.01, 0.001]) as rate:
            trained = train(data=data.outputs["data"], rate=rate)
        chosen = choose(models=dsl.Collected(trained.outputs["model"]))
        with dsl.If(chosen.outputs["accuracy"] > 0.9):
            push(accuracy=chosen.outputs["accuracy"])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        environments = {"alpine": Environment(cwd=Path(folder))}
        run = localrun.run(
            training, store=Path(folder) / "store", environments=environments, options=Options(max_workers=3)
        )
        shutil.copyfile(run.check().folder / "graph.svg", Path(__file__).with_name("graph.svg"))
