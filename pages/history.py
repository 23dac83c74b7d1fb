"""The History page: past talks to search, read, export and delete."""

from kai.ui import history

history.draw()
