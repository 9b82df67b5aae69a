"""Rows per second of `infer_bulk` beside a plain loop over the SavedModel and beside TFX's BulkInferrer.

    .venv/bin/python -m benchmarks.bulk_inference --store .mlops --rounds 3

All read the same examples, those of the newest `inference` run of that store, with its model, in this process and in
turns. The plain loop calls the SavedModel in batches and writes nothing. TFX's BulkInferrer needs a signature of
tf.Examples, and writes prediction logs and examples; ours writes those and Parquet, and checks counts and digests.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from artifacts.examples.manifest import ExamplesManifest
from artifacts.examples.names import UNLABELED
from core.backends.registry import find
from core.store import Store
from mlops.runs.history import read_run, summaries

BATCH = 4096


def main() -> None:
    """Measure and print a JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path, default=Path(".mlops"))
    parser.add_argument("--run", default="", help="An inference run of that store; default: the newest.")
    parser.add_argument("--signature", default="regress", help="A signature of tf.Examples, for the two others.")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    store = Store(arguments.store.absolute())
    run = read_run(store, arguments.run or _newest(store))
    examples = run.artifact("ingest_examples", "examples")
    assert examples is not None
    parameters = run.parameters
    model = find(str(parameters["registry"]), str(parameters["model"])).path
    rows = ExamplesManifest.read(examples.path).records(UNLABELED)
    candidates: dict[str, Callable[[Path], None]] = {
        "infer_bulk": lambda out: _ours(examples.path, parameters, run.submission.cli_name, out),
        "plain_loop": lambda _: _plain(examples.path, model, arguments.signature),
        "tfx": lambda out: _tfx(examples.path, model, arguments.signature, out),
    }
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for number in range(arguments.rounds + 1):
        for name, call in candidates.items():
            taken = _timed(call)
            print(f"round {number}: {name}: {taken:.1f} s", file=sys.stderr, flush=True)
            if number:  # the first round imports, and traces the model
                seconds[name].append(taken)
    rates = {name: rows / statistics.median(taken) for name, taken in seconds.items()}
    ratios = {
        f"x_{name}": statistics.median(
            other / own for own, other in zip(seconds["infer_bulk"], seconds[name], strict=True)
        )
        for name in ("plain_loop", "tfx")
    }
    print(
        json.dumps({"rows": rows, "rows_per_second": rates, "times_as_fast_as": ratios, "seconds": seconds}, indent=2)
    )


def _timed(call: Callable[[Path], None]) -> float:
    """Return the seconds that a call takes that writes into an empty folder."""
    with tempfile.TemporaryDirectory() as out:
        started = time.perf_counter()
        call(Path(out))
        return time.perf_counter() - started


def _newest(store: Store) -> str:
    found = [one for one in summaries(store) if one["kind"] == "inference" and one["state"] == "SUCCEEDED"]
    return str(max(found, key=lambda one: one["started"])["run_id"])


def _ours(examples: Path, parameters: Any, usecase: str, out: Path) -> None:
    from components.infer_bulk.logic import Inputs, Outputs, infer
    from pipelines.config import find as find_usecase
    from pipelines.config import load

    loaded = load(find_usecase(usecase))
    names = ("inference_result", "output_examples", "predictions", "decision", "pictures")
    inputs = Inputs(str(examples), loaded.schema_file, str(parameters["model"]), str(parameters["registry"]))
    infer(loaded.configured("infer_bulk"), inputs, Outputs(*(str(out / name) for name in names)))


def _plain(examples: Path, model: Path, signature: str) -> None:
    import tensorflow as tf

    call = tf.saved_model.load(str(model)).signatures[signature]
    (argument,) = call.structured_input_signature[1]
    files = sorted(map(str, (examples / f"Split-{UNLABELED}").glob("*.gz")))
    for batch in tf.data.TFRecordDataset(files, "GZIP").batch(BATCH):
        for values in call(**{argument: batch}).values():
            values.numpy()


def _tfx(examples: Path, model: Path, signature: str, out: Path) -> None:
    import tensorflow as tf
    from tfx.components.bulk_inferrer import executor
    from tfx.proto import bulk_inferrer_pb2
    from tfx.types import artifact_utils, standard_artifacts
    from tfx.utils import proto_utils

    output = next(iter(tf.saved_model.load(str(model)).signatures[signature].structured_outputs))
    given = standard_artifacts.Examples()
    given.uri, given.split_names = str(examples), artifact_utils.encode_split_names([UNLABELED])
    exported = standard_artifacts.Model()
    exported.uri = str(out / "model")
    (out / "model").mkdir()
    (out / "model" / "Format-Serving").symlink_to(model)
    logs, written = standard_artifacts.InferenceResult(), standard_artifacts.Examples()
    logs.uri, written.uri = str(out / "logs"), str(out / "examples")
    column = bulk_inferrer_pb2.OutputColumnsSpec(signature_name=signature)
    column.predict_output.output_columns.add(output_key=output, output_column="prediction")
    flags = ["--runner=DirectRunner", "--direct_running_mode=in_memory", "--direct_num_workers=1"]
    executor.Executor(executor.Executor.Context(beam_pipeline_args=flags, tmp_dir=str(out), unique_id="1")).Do(
        {"examples": [given], "model": [exported]},
        {"inference_result": [logs], "output_examples": [written]},
        {
            "model_spec": proto_utils.proto_to_json(bulk_inferrer_pb2.ModelSpec(model_signature_name=[signature])),
            "data_spec": proto_utils.proto_to_json(bulk_inferrer_pb2.DataSpec()),
            "output_example_spec": proto_utils.proto_to_json(
                bulk_inferrer_pb2.OutputExampleSpec(output_columns_spec=[column])
            ),
        },
    )


if __name__ == "__main__":
    main()
