"""The entry point of the app: ``streamlit run streamlit_app.py``."""

import streamlit as st

from kai.ui.server import lifespan, middleware, routes, take_secrets_files

take_secrets_files()
app = st.App("kai/ui/main.py", routes=routes(), lifespan=lifespan, middleware=middleware())
