"""Keeps out of a user's terminal what libraries print when they are imported or used."""

import os
import warnings


def quiet_libraries() -> None:
    """Silence TensorFlow's start-up, and warnings that say nothing to a user; call it before they are imported."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"google\.")
    warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"tensorflow_model_analysis\.")
