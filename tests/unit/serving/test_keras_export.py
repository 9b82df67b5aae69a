"""A model that Keras 3 writes so that no server can run it."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from serving.errors import RequestError
from serving.models.savedmodel import SavedModel


def test_a_keras_3_model_that_was_saved_itself_is_refused_with_the_way_out(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    shape = tf.TensorSpec([None, 1], tf.float32, name="x")
    serve = tf.function(lambda x: {"outputs": model(x)}, input_signature=[shape])
    tf.saved_model.save(model, str(tmp_path), signatures={"serving_default": serve})
    loaded = SavedModel(tmp_path)
    with pytest.raises(RequestError, match=r"Could not find variable .* a Keras 3 model .*weight\.value"):
        loaded.run(loaded.signature("serving_default"), {"x": np.ones((1, 1), np.float32)})
