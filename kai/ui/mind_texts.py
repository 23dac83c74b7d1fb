"""The words of the list of minds: which one answers, what runs on this computer, and a form for an address."""

from __future__ import annotations

from typing import Final

NEEDS_ADDRESS: Final = "The address must begin with http:// or https://."

CHECK_SERVERS: Final = {
    "none": ("None is running, and Kai needs none.", ""),
    "found": ("{names}. Under Mind in the sidebar, Kai can think with one of their models.", ""),
}

MINDS: Final = {
    "title": "Mind: Kai's own",
    "title_other": "Mind: {model}",
    "own": "Kai thinks with its own language model, on this computer.",
    "loading": "{model} is getting ready. Kai's own mind answers until then.",
    "up": "{model} answers, in {place}. Last time, its first word took {seconds} s.",
    "up_elsewhere": "{model} answers, at {place}: what you say goes there. Its first word took {seconds} s.",
    "down": "{model} cannot be reached now, so Kai's own mind answers. {problem} Kai tries again by itself.",
    "back": "Back to Kai's own",
    "looking": "Looking for models on this computer",
    "nothing": "No other model server runs on this computer. Start Ollama, LM Studio or another: it shows up here.",
    "loaded": "loaded",
    "thinks": "can think",
    "needs_key": "It needs a key to list its models.",
    "enter_key": "Enter the key",
    "no_models": "It has no model yet.",
    "files": "Models to download",
    "files_help": "Each comes from its maker and runs on this computer, in place of Kai's own. None has been tried with Kai "
    "yet. A talk needs about 6 tokens a second.",
    "facts": "{size} GB, {licence}, about {memory} GB of memory and {speed} tokens a second",
    "facts_unmeasured": "{size} GB, {licence}, about {memory} GB of memory, at most {speed} tokens a second",
    "too_large": "This computer has too little memory for it.",
    "on": "On",
    "fetch": "Download",
    "go_on": "Resume, {percent}% is here",
    "pause": "Pause, {percent}%",
    "put_on": "Use it",
    "delete": "Delete",
    "again": "Try again",
    "hand": "By its address",
    "hand_help": "Any OpenAI-compatible address, on this computer or elsewhere.",
    "url": "Address",
    "url_example": "http://127.0.0.1:11434/v1",
    "model": "Name of the model",
    "model_example": "llama3.2",
    "key": "Key, if it needs one",
    "try": "Try it",
    "trying": "Asking it one question",
    "fine": "It works. Its first word took {seconds} s.",
    "fine_thinks": "It works, but it thinks before it answers. Its first word took {seconds} s.",
    "use": "Use it",
    "has_models": "It has: {models}.",
    "error": "Kai cannot be reached just now. Try again in a moment.",
}
