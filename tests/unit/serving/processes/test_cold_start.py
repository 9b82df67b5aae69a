"""A server starts without what it never uses."""

import subprocess
import sys

SCRIPT = """
import sys
from serving.processes.process import quiet_tensorflow, without_keras

quiet_tensorflow()
with without_keras():
    import serving.models.savedmodel
print(sorted({"keras", "tf_keras", "pandas", "matplotlib", "tensorboard", "pyarrow", "apache_beam"} & set(sys.modules)))
import keras
"""


def test_tensorflow_is_imported_without_keras_and_keras_can_still_be_imported() -> None:
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
