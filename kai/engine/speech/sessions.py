"""Runs the engine's ONNX models: on the CPU, on one thread, without log output."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from kai.errors import WeightsError


def make_session(model: bytes, *, name: str) -> onnxruntime.InferenceSession:
    """Return an inference session of ``model`` on one thread.

    More threads made recognition and speech slower or no faster on two cores, idle and loaded, and spinning workers take
    time from the picture. Raises `WeightsError` when the runtime cannot build the model.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except RuntimeError as error:
        raise WeightsError(
            f"The model {name} could not be started by onnxruntime. Install it again: "
            "pip install --force-reinstall --no-deps onnxruntime",
            code="weights_unusable",
        ) from error


def run_session(
    session: onnxruntime.InferenceSession, inputs: Mapping[str, NDArray[Any]]
) -> list[NDArray[np.float32]]:
    """Return all outputs of ``session`` for ``inputs``; every model here returns dense float32 arrays. Thread-safe."""
    return cast("list[NDArray[np.float32]]", session.run(None, dict(inputs)))
