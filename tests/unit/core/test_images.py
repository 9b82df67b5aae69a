"""References of images: a tag that changes with the files that are copied in and nothing else, or a pushed digest."""

import os
import shutil
from pathlib import Path

import pytest

from core import build_context, images
from core.build_context import CERTIFICATES, content_digest, files
from core.errors import MlopsError
from core.image_record import ImageRecord
from core.images import GROUPS, image, local_references, pushed_references
from core.user_code import ROOT


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A small checkout with the project's `.dockerignore`."""
    root = tmp_path / "project"
    for name in (
        "components/a/logic.py",
        "components/a/component.py",
        "core/b.py",
        "infra/images/install.sh",
        "uv.lock",
        "Dockerfile",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name, encoding="utf-8")
    shutil.copy(ROOT / build_context.IGNORE, root / build_context.IGNORE)
    return root


def test_the_images_contain_sources_and_no_tests() -> None:
    contents = files()
    assert {
        ".dockerignore",
        "Dockerfile",
        "pyproject.toml",
        "uv.lock",
        "usecases/flight_delay/schema.pbtxt",
    } <= set(contents)
    assert {name.partition("/")[0] for name in contents if "/" in name} == {
        "adapters",
        "artifacts",
        "components",
        "core",
        "infra",
        "localrun",
        "mlops",
        "pipelines",
        "problems",
        "serving",
        "training",
        "usecases",
    }
    assert not [
        name
        for name in contents
        if "__pycache__" in name
        or name.endswith(".pyc")
        or (name.startswith("infra/") and not name.startswith("infra/images/"))
    ]


@pytest.mark.parametrize(
    "leftover",
    [
        "components/a/__pycache__/logic.cpython-311.pyc",
        "components/a/logic.pyc",
        "components/a/logic.pyo",
        "components/a/.logic.py.swp",
        "components/a/.DS_Store",
        "components/a/logic.py~",
        "components/a/#logic.py#",
        "components/a/logic.py.orig",
        "components/a/logic.py.rej",
        "tests/test_a.py",
        "infra/main.tf",
        "README.md",
        ".venv/lib/x.py",
        ".mlops/data/x.parquet",
        ".env",
        "components/a/.env",
        "components/a/.netrc",
        "credentials.json",
        "gha-creds-1.json",
        "signing.pem",
        "tokens.txt",
        "prod.tfvars",
        CERTIFICATES,
    ],
)
def test_leftovers_do_not_change_the_digest(project: Path, leftover: str) -> None:
    before = content_digest(project)
    (project / leftover).parent.mkdir(parents=True, exist_ok=True)
    (project / leftover).write_bytes(b"x")
    assert leftover not in files(project)
    assert content_digest(project) == before


@pytest.mark.parametrize(
    "name", ["components/a/logic.py", "infra/images/install.sh", "uv.lock", "Dockerfile", ".dockerignore"]
)
def test_every_byte_that_is_copied_in_changes_the_digest(project: Path, name: str) -> None:
    before = content_digest(project)
    (project / name).write_bytes((project / name).read_bytes() + b"\n")
    assert content_digest(project) != before


def test_names_change_the_digest_and_times_and_modes_do_not(project: Path) -> None:
    before = content_digest(project)
    for path in (project / name for name in files(project)):
        os.utime(path, (0, 0))
        path.chmod(0o600)
    shutil.copytree(project, project.with_name("copy"))
    assert content_digest(project.with_name("copy")) == before
    (project / "core" / "b.py").rename(project / "core" / "c.py")
    assert content_digest(project) != before


def test_a_folder_without_a_dockerignore_is_named(tmp_path: Path) -> None:
    with pytest.raises(MlopsError, match=r"\.dockerignore: wanted the list of files that images contain"):
        files(tmp_path)


def test_a_local_reference_carries_the_content_tag() -> None:
    tag = content_digest().removeprefix("sha256:")[:16]
    assert local_references() == {image(group): f"ml-in-production/{group}:{tag}" for group in GROUPS}


def test_references_of_a_registry_are_digests_of_the_current_sources_or_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = tmp_path / "store" / "images.json"
    with pytest.raises(
        MlopsError, match=r"for data, serving, tfx .* run `mlops images build`, then `mlops images push host:5000/team`"
    ):
        pushed_references("host:5000/team/", record)
    for group in GROUPS:
        ImageRecord(record).add_pushed("host:5000/team", images.tag(), group, f"sha256:{group}")
    assert pushed_references("host:5000/team/", record) == {
        image(group): f"host:5000/team/ml-in-production/{group}@sha256:{group}" for group in GROUPS
    }
    with pytest.raises(MlopsError, match="no digest in other"):
        pushed_references("other", record)
    monkeypatch.setattr(images, "tag", lambda: "of-an-edit")
    with pytest.raises(MlopsError, match="with the tag of-an-edit"):
        pushed_references("host:5000/team", record)


def test_a_record_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "images.json").write_text("{", encoding="utf-8")
    with pytest.raises(MlopsError, match=r"images\.json: wanted the record of images as JSON"):
        ImageRecord(tmp_path / "images.json").pushed("host", "tag")


def test_stamps_change_with_what_is_written_added_or_removed_and_with_nothing_else(project: Path) -> None:
    stamps = build_context.Stamps(project)
    seen = [stamps.now()]

    def has_changed() -> bool:
        seen.append(stamps.now())
        return seen[-1] != seen[-2]

    assert not has_changed()
    (project / "README.md").write_text("in no image")
    assert not has_changed()
    (project / "components/a/logic.py").write_text("other")
    assert has_changed()
    (project / "components/b/c").mkdir(parents=True)
    assert not has_changed()
    (project / "components/b/c/new.py").write_text("new")
    assert has_changed()
    (project / "components/b/c/new.py").unlink()
    assert has_changed()
    assert build_context.Stamps(project).now() == seen[-1]
