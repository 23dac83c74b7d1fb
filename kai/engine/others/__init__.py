"""Other minds: language models that run outside Kai's own process.

The problem. Many people have a better model than ours on the same computer, in Ollama or LM Studio, or behind an address
with a key. They should not have to know a port, restart anything, or lose a talk over a wrong setting.

The answer has four parts. `servers` looks for model servers on this computer, only when a person asks for it. `trial` asks
an endpoint one real question and reports the result. `choice` holds the mind that the person chose: it loads the model
ahead, keeps it loaded, and retries when it is gone. `thinker` answers each turn with the chosen mind while it is available,
and with Kai's own two minds otherwise.

    none ── choose ──► loading ── it answered ──► up ── an answer broke ──► down
                          │                       ▲                          │
                          └── it did not ──► down └──── it answered again ───┘

An example. Ollama has ``llama3.2:3b``, which is not loaded. The person chooses it in the middle of a talk: the state is
`loading`, and Kai's own minds answer two more turns. After 12 s the trial got its first word: the state is `up`, and the
other mind answers the third turn. Ollama is then killed in the middle of an answer: Kai says so, answers that question with
its own minds, and tries Ollama again every ten seconds in the background.
"""
