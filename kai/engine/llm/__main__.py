"""``python -m kai.engine.llm``: a language model behind an OpenAI-compatible server on 127.0.0.1, as a child of the engine.

The first line of standard input is JSON: ``{"path", "key", "slots", "context_tokens", "threads", "rules_folder"}``. Once the
model has answered a test request, the process prints one line of JSON on standard output: ``{"base_url", "tokens_per_s"}``.
It ends when standard input closes, however its parent died. The server admits only clients with the key, and no browser page.
"""

from __future__ import annotations

import importlib
import json
import os
import socket
import sys
import time
import urllib.request
from typing import Any, Final

HOST: Final = "127.0.0.1"
NICE: Final = 10
"""The process runs at a lower priority than voice and face."""
BATCH_TOKENS: Final = 4
"""How many prompt tokens are read between two checks of the queue; an interruption waits for that long. Larger batches are
hardly faster, since one core is limited by its arithmetic."""
REUSE_TOKENS: Final = 16
"""The shortest stretch of a talk that is moved in the cache, instead of read again, when the text before it was removed."""
EXIT_NO_MODEL: Final = 4
_TRIALS: Final = 3
_TRIAL_TOKENS: Final = 6


def main() -> int:
    """Serve until standard input closes; return the exit code."""
    given: dict[str, Any] = json.loads(sys.stdin.readline())
    if hasattr(os, "nice"):
        os.nice(NICE)
    try:
        xllamacpp: Any = importlib.import_module("xllamacpp")  # a C extension without types
    except ImportError as exc:
        print(f"The package xllamacpp cannot be loaded: {exc}", file=sys.stderr, flush=True)
        return EXIT_NO_MODEL
    params = xllamacpp.CommonParams()
    params.model.path = given["path"]
    # Each talk has its own slot, and no state is kept in a common cache, from which it was given to the wrong talk
    # (llama.cpp issue 27148).
    params.n_parallel = given["slots"]
    params.n_ctx = given["slots"] * given["context_tokens"]
    params.kv_unified = False
    params.cache_ram_mib = 0
    params.cache_idle_slots = False
    params.n_cache_reuse = REUSE_TOKENS
    params.slot_save_path = os.path.join(given["rules_folder"], "") if given["rules_folder"] else ""
    params.n_batch = params.n_ubatch = max(BATCH_TOKENS, given["slots"])
    for pool in (params.cpuparams, params.cpuparams_batch):
        pool.n_threads = given["threads"]
        pool.poll = 0  # a waiting thread must not spin, since the face needs the core
    # An idle connection occupies a server thread, and a request that finds no free thread waits for seconds.
    params.n_threads_http = 24
    params.port = _free_port()
    params.api_keys = [given["key"]]
    params.cors_origins = "localhost"
    params.ui = False
    params.verbosity = 1
    server = xllamacpp.Server(params)
    address = server.listening_address
    tokens_per_s = max(_speed(address, given["key"], given["threads"]) for _ in range(_TRIALS))
    print(json.dumps({"base_url": f"{address}/v1", "tokens_per_s": round(tokens_per_s, 1)}), flush=True)
    sys.stdin.read()
    os._exit(0)  # the server's own threads may still be computing


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _speed(address: str, key: str, threads: int) -> float:
    """Return the tokens a second of a short answer on idle cores.

    The time is processor time, since other programs that start at the same moment would make any computer seem too slow.
    """
    body = {"prompt": "One, two, three,", "n_predict": _TRIAL_TOKENS, "temperature": 0.0}
    request = urllib.request.Request(
        f"{address}/completion",
        json.dumps(body).encode(),
        {"Content-Type": "application/json", "Authorization": f"Bearer {key}"},
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # no proxy for a loopback address
    begun_s = time.process_time()
    with opener.open(request, timeout=60) as answer:
        timings = json.load(answer)["timings"]
    tokens = timings["prompt_n"] + timings["predicted_n"]
    return tokens * threads / max(1e-3, time.process_time() - begun_s)


if __name__ == "__main__":
    sys.exit(main())
