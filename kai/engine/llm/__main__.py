"""``python -m kai.engine.llm``: a language model behind an OpenAI-compatible server on 127.0.0.1, as a child of the engine.

The first line of standard input is JSON: ``{"path", "key", "slots", "context_tokens", "threads"}``. When the model has
answered once, one line of JSON goes to standard output: ``{"base_url", "tokens_per_s"}``. The process ends when standard
input closes, however its parent died. The address is open to who brings the key, and to no page of a browser.
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
"""Voice and face go first."""
BATCH_TOKENS: Final = 4
"""How many tokens of a prompt are read between two looks at the queue, so how long an interruption waits. Larger batches
are hardly faster, since one core is bound by its arithmetic."""
REUSE_TOKENS: Final = 16
"""The shortest stretch of a talk that is moved, instead of read again, when what stood before it was left out."""
EXIT_NO_MODEL: Final = 4
_TRIALS: Final = 3
_TRIAL_TOKENS: Final = 6


def main() -> int:
    """Serves until standard input closes; the exit code."""
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
    # Each talk has a slot of its own, and nothing of one is kept where another could find it: states that are moved to a
    # common cache were given to the wrong talk (llama.cpp issue 27148).
    params.n_parallel = given["slots"]
    params.n_ctx = given["slots"] * given["context_tokens"]
    params.kv_unified = False
    params.cache_ram_mib = 0
    params.cache_idle_slots = False
    params.n_cache_reuse = REUSE_TOKENS
    params.n_batch = params.n_ubatch = max(BATCH_TOKENS, given["slots"])
    for pool in (params.cpuparams, params.cpuparams_batch):
        pool.n_threads = given["threads"]
        pool.poll = 0  # a thread that waits must not spin: the face needs the core
    # A connection that rests holds a thread of the server, and a request that finds none waits for seconds.
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
    """Tokens a second of a short answer on cores that are free.

    Counted in seconds of the processor, since other programs that start at the same time would make any computer seem too
    slow.
    """
    body = {"prompt": "One, two, three,", "n_predict": _TRIAL_TOKENS, "temperature": 0.0}
    request = urllib.request.Request(
        f"{address}/completion",
        json.dumps(body).encode(),
        {"Content-Type": "application/json", "Authorization": f"Bearer {key}"},
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # loopback never goes by a proxy
    begun_s = time.process_time()
    with opener.open(request, timeout=60) as answer:
        timings = json.load(answer)["timings"]
    tokens = timings["prompt_n"] + timings["predicted_n"]
    return tokens * threads / max(1e-3, time.process_time() - begun_s)


if __name__ == "__main__":
    sys.exit(main())
