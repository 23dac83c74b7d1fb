"""Kai's rendered face: a 3D head drawn on the CPU. Pure: no threads, no clock, no network.

`style` describes a character, `rig` holds the mesh, and `bake` turns both into tables, which `cache` keeps on disk. `hearing`
and `lipsync` turn sound and marks into mouth shapes, `animate` adds moods, blinks and glances, and `render` draws a frame.
``python -m kai.avatar`` bakes all characters, ``tools/contact_sheet.py`` draws them, ``tools/train_visemes.py`` trains the
network of `hearing`, and ``python -m kai.bench face`` measures the result.
"""
