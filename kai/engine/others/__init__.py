"""Other minds: language models that run, or could run, somewhere else than in Kai's own process.

The problem. Many people have a better model than ours on the same computer, in Ollama or LM Studio, or behind an address
with a key. They should not have to know a port, restart anything, or lose a talk over a wrong word.

The answer has four parts. `servers` looks for model servers on this computer, when a person asks and never before.
`trial` asks an endpoint one real question and tells how that went. `choice` holds the mind that the person chose: loaded
ahead, kept loaded, asked again when it was gone. `thinker` answers with the chosen mind as long as it can be had, and with
Kai's own two minds otherwise, turn by turn.

    none ── choose ──► loading ── it answered ──► up ── an answer broke ──► down
                          │                       ▲                          │
                          └── it did not ──► down └──── it answered again ───┘

An example. Ollama has ``llama3.2:3b``, unloaded. The person presses it in the middle of a talk: the state is `loading`, and
Kai's own mind answers two more turns. After 12 s the trial has had its first word: `up`, and the third turn is the other
mind's. Ollama is then killed in the middle of an answer: Kai says so, answers that question with its own mind, and asks
Ollama again every ten seconds, with nobody waiting for it.
"""
