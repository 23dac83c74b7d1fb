"""A launcher like ``streamlit_app.py`` whose talks are fakes: ``PYTHONPATH=. streamlit run tests/ui/fake_app.py``.

``KAI_DATA_DIR`` is where talks are kept. ``KAI_FAKE_REFUSAL`` makes the brain refuse with those words.
``KAI_FAKE_CLOUD`` lets a person choose what a key would let them. ``KAI_FAKE_MODEL`` is the state of a language model.
"""

import os
from pathlib import Path

import streamlit as st
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kai.adapters.engine_status import ModelReport
from kai.app import App, Offer
from kai.records.files import data_folder
from kai.records.memory import Memory
from kai.ui.server import make_lifespan, middleware, routes
from tests.ui.fakes import FakeModels, make_app

ROOT = Path(__file__).resolve().parents[2]


def build() -> App:
    """An app of fakes, remembered like real ones."""
    memory = Memory(data_folder(os.environ["KAI_DATA_DIR"]))
    has_cloud = bool(os.environ.get("KAI_FAKE_CLOUD"))
    offer = Offer(has_cloud_brain=has_cloud, has_cloud_face=has_cloud, tools=("current_time", "show_card"))
    state = os.environ.get("KAI_FAKE_MODEL", "")
    model = ModelReport(
        state, "tiny", "Tiny 1.5B", 1_117_320_768, 0, "Apache-2.0", os.environ.get("KAI_FAKE_PROBLEM", "")
    )
    models = FakeModels(model, rate_bytes_s=float(os.environ.get("KAI_FAKE_RATE", "1e8"))) if state else None
    return make_app(memory, refuses=os.environ.get("KAI_FAKE_REFUSAL", ""), offer=offer, models=models)


async def clear_caches(_request: Request) -> Response:
    """What anybody can do from Streamlit's menu."""
    st.cache_data.clear()
    st.cache_resource.clear()
    return Response(status_code=204)


app = st.App(
    ROOT / "kai/ui/main.py",
    routes=[*routes(), Route("/test/clear-caches", clear_caches, methods=["POST"])],
    middleware=middleware(),
    lifespan=make_lifespan(build),
)
