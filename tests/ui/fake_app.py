"""A launcher like ``streamlit_app.py`` whose talks are fakes: ``PYTHONPATH=. streamlit run tests/ui/fake_app.py``.

``KAI_FAKE_REFUSAL`` makes the brain refuse with those words.
"""

import os
from pathlib import Path

import streamlit as st

from kai.ui.server import make_lifespan, middleware, routes
from tests.ui.fakes import make_hub

ROOT = Path(__file__).resolve().parents[2]

app = st.App(
    ROOT / "kai/ui/main.py",
    routes=routes(),
    middleware=middleware(),
    lifespan=make_lifespan(lambda: make_hub(refuses=os.environ.get("KAI_FAKE_REFUSAL", ""))),
)
