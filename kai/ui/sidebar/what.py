"""What Kai is told: named personas, the instructions, and what there is besides."""

from __future__ import annotations

import streamlit as st

from kai.core.capabilities import family_of
from kai.records.memory import Memory
from kai.records.preferences import NAME_LIMIT_CHARS
from kai.ui import bridge, host, texts
from kai.ui.sidebar.panel import Panel, group
from kai.ui.view import INSTRUCTIONS_LIMIT_CHARS


def draw(panel: Panel) -> None:
    """Personas and instructions; greeting, effort, length and tools under More."""
    group(texts.SIDEBAR_WHAT)
    if bridge.is_home():
        _draw_personas(panel, host.app().memory)
    st.text_area(
        texts.INSTRUCTIONS,
        value=panel.look.instructions,
        max_chars=INSTRUCTIONS_LIMIT_CHARS,
        height=104,
        placeholder=texts.INSTRUCTIONS_PLACEHOLDER,
        key=panel.key("instructions"),
        on_change=panel.take("instructions"),
    )
    has_large = bool(panel.look.mind_url or panel.offer.mind_url) or _has_language_model()
    is_small = panel.is_brain_local and not has_large
    panel.explain("instructions", texts.INSTRUCTIONS_HELP_LOCAL if is_small else texts.INSTRUCTIONS_HELP)
    with st.expander(texts.MORE):
        panel.write("greeting", texts.GREETING, texts.GREETING_HELP, example=texts.GREETING_EXAMPLE)
        efforts = family_of(panel.model).efforts
        names = {effort.value: texts.EFFORT_NAMES[effort.value] for effort in efforts} or texts.EFFORT_NAMES
        panel.choose("effort", texts.EFFORT, names, texts.EFFORT_HELP)
        panel.slide("max_output_tokens", texts.LONGEST, (0, 4096, 64), texts.LONGEST_HELP, "%d")
        panel.choose("truncation", texts.TRUNCATION, texts.TRUNCATION_NAMES, texts.TRUNCATION_HELP)
        if panel.offer.tools:
            tools = {name: texts.TOOL_NAMES.get(name, name.replace("_", " ")) for name in panel.offer.tools}
            panel.tick("tools", texts.TOOLS, tools, texts.TOOLS_HELP)


def _has_language_model() -> bool:
    """Whether the local engine has a language model beside its small mind."""
    return host.app().services().engine.model.state == "ready"


def _draw_personas(panel: Panel, memory: Memory) -> None:
    kept = memory.personas.value
    names = [persona.name for persona in kept.personas]
    picked, named = kept.saying(panel.look.instructions), bridge.named_persona()
    suffix = bridge.persona_suffix()
    st.selectbox(
        texts.PERSONA,
        names,
        index=names.index(picked.name) if picked is not None else None,
        placeholder=texts.PERSONA_PICK if names else texts.PERSONA_NONE,
        key=f"persona{suffix}",
        disabled=not names,
        on_change=bridge.pick_persona,
        args=(panel.talk, memory, f"persona{suffix}"),
    )
    with st.popover(texts.PERSONA_KEEP, icon=":material/person_edit:", width="stretch"):
        st.text_input(
            texts.PERSONA_NAME,
            value=picked.name if picked is not None else named,
            max_chars=NAME_LIMIT_CHARS,
            placeholder=texts.PERSONA_EXAMPLE,
            key=f"persona-name{suffix}",
        )
        st.button(
            texts.PERSONA_SAVE,
            key="persona-save",
            type="primary",
            width="stretch",
            on_click=bridge.save_persona,
            args=(panel.talk, memory, f"persona-name{suffix}"),
        )
        if named in names:
            st.button(
                texts.PERSONA_DUPLICATE.format(name=named),
                key="persona-duplicate",
                width="stretch",
                on_click=bridge.duplicate_persona,
                args=(panel.talk, memory),
            )
            st.button(
                texts.PERSONA_DELETE.format(name=named),
                key="persona-delete",
                width="stretch",
                on_click=bridge.delete_persona,
                args=(memory,),
            )
