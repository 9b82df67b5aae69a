"""A server starts without what it never uses."""

import os
import subprocess
import sys

import pytest

SCRIPT = """
import sys
from adapters.quiet import quiet_libraries
from serving.processes.process import without_keras

quiet_libraries()
with without_keras():
    import serving.models.savedmodel
print(sorted({"keras", "tf_keras", "pandas", "matplotlib", "tensorboard", "pyarrow", "apache_beam"} & set(sys.modules)))
import keras
"""


@pytest.mark.parametrize("legacy", ["0", "1"])
def test_tensorflow_is_imported_without_keras_and_keras_can_still_be_imported(legacy: str) -> None:
    command = [sys.executable, "-W", "ignore", "-c", SCRIPT]
    environment = {**os.environ, "TF_USE_LEGACY_KERAS": legacy}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
