"""What every builder must be able to do with the Dockerfile."""

import re

from core.images import BASE, GROUPS
from tests.infra.rendered import ROOT

TEXT = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def test_there_is_a_target_for_every_image_and_one_base() -> None:
    stages = re.findall(r"^FROM (\S+) AS (\S+)$", TEXT, re.MULTILINE)
    names = [name for _, name in stages]
    assert set(GROUPS) <= set(names)
    # The second is read for a target alone that nobody builds unless asked: TensorFlow Serving's binary.
    assert {source for source, _ in stages} - set(names) == {"${BASE_IMAGE}", "${TENSORFLOW_SERVING_IMAGE}"}
    assert f"ARG BASE_IMAGE={BASE}\n" in TEXT


def test_builders_without_buildkit_take_it() -> None:
    assert not re.search(r"^# *syntax|--mount|--chmod|--link|<<", TEXT, re.MULTILINE)


def test_an_edit_of_a_stage_renews_the_last_layer_alone() -> None:
    for group in GROUPS:
        stage = TEXT[TEXT.index(f" AS {group}\n") :].split("\nFROM ")[0]
        layers = re.findall(r"^(?:COPY|RUN|ADD) .*$", stage, re.MULTILINE)
        assert layers[-1] == "COPY --from=sources /app /app"
    sources = TEXT[TEXT.index(" AS sources\n") :].split("\nFROM ")[0]
    assert TEXT.count("COPY . .") == sources.count("COPY . .") == 1
