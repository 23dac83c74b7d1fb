"""The script of every Streamlit run: it draws the picture, the desk, and then the page."""

from pathlib import Path

import streamlit as st

import kai.avatar
from kai.errors import KaiError
from kai.ui import bridge, desk, host, model, past_texts, stage, texts

PAGES = Path(__file__).resolve().parents[2] / "pages"
# A local picture, because Streamlit fetches its named icons from another host.
ICON = Path(kai.avatar.__file__).parent / "data" / "kai.jpg"

st.set_page_config(page_title=texts.APP_NAME, page_icon=str(ICON), layout="wide")
talk_page = st.Page(PAGES / "talk.py", title=texts.TALK_PAGE, icon=":material/forum:", default=True)
help_page = st.Page(PAGES / "help.py", title=texts.HELP_PAGE, icon=":material/help:", url_path="help")
history_page = st.Page(
    PAGES / "history.py", title=past_texts.HISTORY_PAGE, icon=":material/history:", url_path="history"
)
insights_page = st.Page(
    PAGES / "insights.py", title=past_texts.INSIGHTS_PAGE, icon=":material/monitoring:", url_path="insights"
)
page = st.navigation([talk_page, history_page, insights_page, help_page], position="top")
is_on_stage = page is talk_page or page.url_path == talk_page.url_path

stage.draw_styles(is_on_stage=is_on_stage)
try:
    app = host.app()
    talk = bridge.current_talk(app.hub)
except host.NotServingError as error:
    if error.message:
        st.error(error.message, icon=":material/error:")
    else:
        st.info(texts.NOT_STARTED)
    st.stop()
except bridge.NoCookieError:
    st.info(texts.NO_COOKIES)
    st.stop()
except KaiError as error:
    st.warning(error.message, icon=":material/group:")
    st.button(texts.TRY_AGAIN)
    st.stop()

bridge.tell_time_zone(talk)
state = talk.snapshot()
stage.draw_media(talk, bridge.current_mount(state), app.ice_servers)
desk.draw(talk, state, is_on_stage=is_on_stage)
with st.container(key="kai-menu", horizontal=True):
    for entry in (talk_page, history_page, insights_page, help_page):
        is_help = entry is help_page
        st.page_link(entry, label=texts.HELP_PAGE_SHORT if is_help else entry.title)
if state.is_active and not is_on_stage:
    with st.container(key="kai-back"):
        st.page_link(talk_page, label=texts.BACK_TO_TALK, icon=":material/arrow_back:")
model.draw(is_live=state.is_active)
page.run()
