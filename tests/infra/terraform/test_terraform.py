"""Terraform itself over infra/: form, and, where the provider is to be had, validation and the modules' own tests."""

import functools
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.infra.rendered import ROOT
from tests.infra.terraform.parsed import INFRA, MODULES, blocks, examples, tree

FILES = {"README.md", "main.tf", "outputs.tf", "tests", "variables.tf", "versions.tf"}
EXAMPLES = {module.name: examples(module / "README.md") for module in MODULES}
SECONDS = 600

needs_terraform = pytest.mark.skipif(shutil.which("terraform") is None, reason="terraform is not installed")


def terraform(folder: Path, *arguments: str, data: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run Terraform without a terminal and without settings of this machine but its plugins."""
    variables = {
        "TF_IN_AUTOMATION": "1",
        "TF_INPUT": "0",
        "TF_REGISTRY_DISCOVERY_RETRY": "0",
        "CHECKPOINT_DISABLE": "1",
    }
    environment = {**os.environ, **variables, **({"TF_DATA_DIR": str(data)} if data else {})}
    return subprocess.run(
        ["terraform", *arguments, "-no-color"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


@functools.cache
def why_no_provider() -> str:
    """Return the reason why the provider cannot be had here; empty when it can."""
    if not os.environ.get("MLOPS_TEST_TERRAFORM"):
        return "minutes with the provider: make test-cloud runs it"
    if shutil.which("terraform") is None:
        return "terraform is not installed"
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(INFRA / "modules" / "bucket" / "versions.tf", folder)
        done = terraform(Path(folder), "init", "-backend=false")
    return (
        ""
        if done.returncode == 0
        else f"the provider cannot be had here: {' '.join(done.stderr.partition('Error: ')[2].split())[:200]}"
    )


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of infra/ beside the use cases, since Terraform writes into the folders that it works in."""
    if reason := why_no_provider():
        pytest.skip(reason)
    root = tmp_path_factory.mktemp("terraform")
    shutil.copytree(INFRA, root / "infra", ignore=shutil.ignore_patterns(".terraform*", "images"))
    (root / "usecases").symlink_to(ROOT / "usecases")
    yield root / "infra"
    shutil.rmtree(root)


def passes(folder: Path) -> None:
    for arguments in (("init", "-backend=false"), ("validate",), ("test",)):
        done = terraform(folder, *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 failed" in done.stdout


@needs_terraform
def test_form() -> None:
    done = terraform(INFRA, "fmt", "-check", "-recursive", "-diff")
    assert done.returncode == 0, f"run: terraform fmt -recursive infra\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_a_module_is_built_like_the_others(module: Path) -> None:
    names = {path.name for path in module.iterdir()} - {".terraform", ".terraform.lock.hcl"}
    # trigger has three files instead of main.tf: messages, service, alerts.
    assert names >= FILES - ({"main.tf"} if module.name == "trigger" else set())
    text = (module / "tests" / f"{module.name}.tftest.hcl").read_text(encoding="utf-8")
    assert 'mock_provider "google"' in text and "assert {" in text
    versions = {path.read_text(encoding="utf-8") for path in (INFRA / "modules").glob("*/versions.tf")}
    assert len(versions) == 1


@pytest.mark.parametrize("folder", [".", *(f"modules/{module.name}" for module in MODULES)])
def test_every_validation_refuses_something_in_a_test(folder: str) -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in (INFRA / folder / "tests").glob("*.tftest.hcl"))
    refused = {
        name for line in re.findall(r"expect_failures = \[(.*)\]", text) for name in re.findall(r"var\.(\w+)", line)
    }
    validated = {block.name for block in tree() if block.folder == folder and "validation" in block.body}
    assert validated - refused == set()


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_the_readmes_example_gives_what_the_module_takes(module: Path) -> None:
    [example] = EXAMPLES[module.name]
    [call] = [block for block in blocks(example) if block.kind == "module"]
    assert call.body["source"] == f"./modules/{module.name}"
    variables = {one.name: one for one in tree() if one.kind == "variable" and one.folder == f"modules/{module.name}"}
    given = set(call.body) - {"source"}
    assert given <= set(variables)
    assert {name for name, one in variables.items() if "default" not in one.body} <= given


def test_the_root_uses_every_module() -> None:
    used = {str(block.body["source"]) for block in tree() if block.kind == "module" and block.folder == "."}
    assert used == {f"./modules/{module.name}" for module in MODULES}


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_a_modules_own_tests_pass(copied: Path, module: Path) -> None:
    passes(copied / "modules" / module.name)


def test_the_roots_tests_pass(copied: Path) -> None:
    passes(copied)


def test_the_examples_of_all_readmes_can_be_planned(copied: Path) -> None:
    folder = copied / "examples"
    folder.mkdir()
    shutil.copy(copied / "modules" / "bucket" / "versions.tf", folder)
    text = "\n".join(example for written in EXAMPLES.values() for example in written)
    (folder / "main.tf").write_text(text.replace("./modules/", "../modules/"), encoding="utf-8")
    planned = 'mock_provider "google" {\n  source = "../mocks"\n}\n\nrun "plan" {\n  command = plan\n}\n'
    (folder / "examples.tftest.hcl").write_text(planned, encoding="utf-8")
    passes(folder)
