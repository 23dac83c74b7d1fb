"""The Talk page: landing, sidebar, and how a talk ended. The live desk is drawn above every page (``kai/ui/main.py``)."""

from kai.ui import landing, sidebar
from kai.ui.page import this_talk

talk = this_talk()
sidebar.draw(talk)
landing.draw(talk, talk.snapshot())
