"""Reads `Format-TFLite/` where no TensorFlow can be imported; prints how far its predictions are from those beside it.

`python -I -S clean_reader.py SOURCES PACKAGES FOLDER`: the path has the standard library and both folders.
"""

import json
import sys
from importlib.util import find_spec
from pathlib import Path


def main() -> None:
    sources, packages, folder = sys.argv[1:]
    sys.path += [sources, packages]
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter

    from artifacts.model.edge_model import MODEL, EdgeModel, open_tflite, read_examples

    packed, predictions = read_examples(Path(folder))
    answered = open_tflite(Path(folder) / MODEL, Interpreter)(packed)
    model = EdgeModel(Path(folder), Interpreter)
    rows = len(predictions)
    features = {
        one.name: packed[one.tensor][:, one.start : one.stop].reshape(rows, *one.shape) for one in model.inputs.columns
    }
    print(
        json.dumps(
            {
                "rows": rows,
                "difference": float(np.abs(answered - predictions).max()),
                "unpacked": float(np.abs(model(features) - predictions).max()),
                "tensorflow": find_spec("tensorflow") is not None or find_spec("keras") is not None,
            }
        )
    )


if __name__ == "__main__":
    main()
