"""Kai's rendered face: a 3D head drawn on the processor. Pure: no threads, no clock, no network.

`style` says how a character looks, `rig` holds the mesh, `bake` turns both into tables (`cache` keeps them), `hearing` and
`lipsync` turn sound and marks into a mouth, `animate` gives it life, `render` draws a frame. ``python -m kai.avatar`` bakes
all characters; ``tools/contact_sheet.py`` draws them, ``tools/train_visemes.py`` trains the ear,
``python -m kai.bench face`` measures what comes out.
"""
