"""What stands in the page's first HTML: title, picture and a button that cannot be pressed yet.

Streamlit's own page is empty until its scripts have been loaded and have run, some two seconds. The same styles draw the same
things at the same places here, and a script takes them away as soon as the page itself is there.
"""

from __future__ import annotations

import html
from functools import cache
from pathlib import Path

from kai.ui import address, host, texts, theme


def draw(path: str) -> str:
    """Return the HTML to put before Streamlit's root element; only a title for a page that is not the Talk page."""
    page, first = (_read(f"css/{name}.css") for name in ("page", "first"))
    style, script = f"<style>{theme.css()}{page}{first}</style>", f"<script>{_read('desk/first.js')}</script>"
    # The first stop of the keyboard, before the menu and the sidebar.
    skip = f'<a class="kai-skip" href="#root">{texts.SKIP}</a>'
    if path.rstrip("/") != address.base_path():
        return f'{skip}<div id="kai-first" aria-hidden="true">{style}</div>{script}'
    picture = address.at(f"/api/pictures/{html.escape(_character())}.jpg")
    # Hidden from screen readers, which would be told of a button that goes away at once.
    return (
        f'{skip}<div id="kai-first" aria-hidden="true">{style}<main>'
        f'<div class="kai-still"><img src="{picture}" alt="" fetchpriority="high"></div>'
        f'<div class="kai-words"><h1>{texts.LANDING_TITLE}</h1><p>{texts.LANDING_LEAD}</p></div>'
        f"<button disabled>{texts.START}</button></main></div>{script}"
    )


@cache
def _read(name: str) -> str:
    return (Path(__file__).parent / name).read_text("utf-8")


def _character() -> str:
    """Return the character whose picture the page will show: the last one on this computer, else Kai."""
    try:
        memory = host.app().memory
    except host.NotServingError:
        return "kai"
    last = memory.preferences.value.last_look() if address.is_bound_to_loopback() else None
    return "kai" if last is None else last.character
