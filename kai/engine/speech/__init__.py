"""The engine's recogniser, voices and small mind. Synchronous: run `transcribe`, `stream` and `reply` in worker threads.

``OMP_NUM_THREADS=1`` must be in the environment of the process before this package is imported.
"""
