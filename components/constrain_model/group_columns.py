"""Reads the groups of the rows that a model is trained on, in the order in which training has them."""

import numpy as np
from numpy.typing import NDArray

from artifacts.evaluation.columns import Vocabulary, categories
from artifacts.evaluation.slices import Column
from artifacts.labels.soft_rows import Portion, training_batches
from core.errors import ConfigError, TrainingError, did_you_mean
from training.session import Session


def group_columns(session: Session, split: str, vocabularies: dict[str, Vocabulary]) -> dict[str, Column]:
    """Return a code for each row and feature of `vocabularies`, which grow.

    Raises ConfigError for a feature that the schema lacks, TrainingError for probabilistic labels.
    """
    schema, settings = session.schema, session.settings
    known = [feature.name for feature in schema.feature]
    for name in vocabularies:
        if name not in known:
            raise ConfigError(
                f"config.yaml: constrain_model.groups: wanted features of the schema, got {name!r}"
                f"{did_you_mean(name, known)}"
            )
    codes: dict[str, list[NDArray[np.int32]]] = {name: [] for name in vocabularies}
    examples, portion = session.examples, Portion(split, session.spans)
    for batch, shares in training_batches(examples, portion, schema, settings.label, settings.read_rows):
        if shares is not None:
            raise TrainingError(
                "constrain_model: wanted labels, got probabilities of labels; set label_examples.keep_given, or leave "
                "the section out"
            )
        for name, vocabulary in vocabularies.items():
            codes[name].append(vocabulary.add(*categories(batch, name)))
    return {name: Column(np.concatenate(found), vocabularies[name].values) for name, found in codes.items()}
