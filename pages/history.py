"""Past talks: find, read, take away, forget."""

from kai.ui import history

history.draw()
