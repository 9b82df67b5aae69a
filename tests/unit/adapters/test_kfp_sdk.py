"""KFP's SDK is imported without its client, and the client is there for whoever asks."""

import subprocess
import sys

LEAVES_THE_CLIENT_OUT = """
import sys
import adapters.kfp_sdk
from kfp import compiler, dsl
assert dsl.component and compiler.Compiler
assert not {"kfp.client", "kfp.components", "kubernetes"} & set(sys.modules)
"""
USES_IT = """
import kfp
assert kfp.components.load_component_from_text
from kfp import Client
assert Client is kfp.Client is kfp.client.Client
"""


def test_what_compiles_does_not_load_the_client_and_a_submission_does() -> None:
    _run(LEAVES_THE_CLIENT_OUT + USES_IT)


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert "module 'kfp' has no attribute 'clients'" in _run("import adapters.kfp_sdk, kfp; kfp.clients", wanted=1)


def test_a_client_that_is_there_stays() -> None:
    _run("import kfp; first = kfp.Client; import adapters.kfp_sdk; assert kfp.Client is first")


def _run(code: str, wanted: int = 0) -> str:
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == wanted, ran.stderr
    return ran.stderr
