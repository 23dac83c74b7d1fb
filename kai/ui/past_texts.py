"""The words of the pages about past talks, History and Insights, and the figures in them."""

from __future__ import annotations

from datetime import timedelta, tzinfo
from typing import Final

from kai.records import local_time
from kai.ui.texts import credits_used

HISTORY_PAGE: Final = "History"
HISTORY_TITLE: Final = "Past talks"
HISTORY_LEAD: Final = "Kept on this computer only: words and times; sound only where you pressed Record."
HISTORY_EMPTY_TITLE: Final = "No talks yet"
HISTORY_EMPTY: Final = "Talk with Kai, and afterwards you can read, search and export what was said here."
HISTORY_OFF: Final = (
    "Talks are not kept now: what you say is gone when the talk ends. Turn it on under Storage; it applies from the "
    "next talk on."
)
HISTORY_OFF_BY_SETTING: Final = "Talks are not kept: KAI_HISTORY is false in Kai's settings."
HISTORY_SET_ASIDE: Final = (
    "One of Kai's files could not be read, so Kai began a new one. The old one is still there: {path}"
)
HISTORY_SEARCH: Final = "Search what was said"
HISTORY_NOTHING_FOUND: Final = "Nothing was found. Try fewer or other words."
HISTORY_MORE: Final = "Show more"
HISTORY_NO_WORDS: Final = "Only Kai spoke"
HISTORY_GOES_ON: Final = "still going on"
HISTORY_CHOOSE: Final = "Choose a talk on the left to read it."
HISTORY_BACK: Final = "All talks"
HISTORY_KEEPING: Final = "Storage"
HISTORY_KEEP: Final = "Keep talks on this computer"
HISTORY_KEEP_FOR: Final = "Keep for"
HISTORY_DAYS: Final = {7: "a week", 30: "a month", 90: "three months", 365: "a year"}
HISTORY_SOUND_SIZE: Final = "Recorded sound takes up {size} MB. It is deleted together with its talk."
HISTORY_DELETE: Final = "Delete"
HISTORY_DELETE_THIS: Final = "Delete this talk for good?"
HISTORY_DELETE_ALL: Final = "Delete all talks"
HISTORY_DELETE_ALL_SURE: Final = "Delete every talk for good?"
HISTORY_DELETE_YES: Final = "Yes, delete"
HISTORY_EXPORT_MARKDOWN: Final = "Markdown"
HISTORY_EXPORT_JSON: Final = "JSON"
HISTORY_EXPORT_WEBVTT: Final = "Captions"
HISTORY_SOUND: Final = "Listen again"
HISTORY_SOUND_OF: Final = "The sound of this talk, with captions"
HISTORY_SOUND_PART: Final = "From {start}, {length} long"
HISTORY_SOUND_SAVE: Final = "Save the sound"
HISTORY_SOUND_WHERE: Final = "You're in the left channel, Kai in the right."
HISTORY_EXPORT_HELP: Final = "Save this talk as a file"
HISTORY_ANSWERED: Final = "answered after {seconds} s"
HISTORY_SPOKE: Final = "{seconds} s long"
HISTORY_FREE: Final = "free"
HISTORY_COST: Final = "cost {cost}"
HISTORY_COST_LEAST: Final = "cost at least {cost}"
HISTORY_AVATAR: Final = "{minutes} min of LiveAvatar"
HISTORY_CUTS: Final = "{count} interrupted"
HISTORY_COSTS: Final = "What it cost, and why"
HISTORY_COSTS_HEAD: Final = ("Part", "For", "Cost")
HISTORY_LEGS: Final = {"brain": "Voice", "face": "Avatar"}
HISTORY_COST_ALL: Final = "All"
HISTORY_EXPORT_COSTS: Final = "Costs"
HISTORY_TIMES: Final = "Times and cost, answer by answer"
HISTORY_TIMES_HEAD: Final = (
    "At",
    "Answered after",
    "Waiting for you to finish",
    "Thinking",
    "Voice",
    "Face",
    "Heard for",
    "Interrupted",
    "Cost",
    "Mind",
)
INSIGHTS_MINDS: Final = "Who thought of the answers: {minds}."
HISTORY_YES: Final = "yes"
HISTORY_NO: Final = "no"
HISTORY_TITLE_OF: Final = "Talk on {day}"
HISTORY_LINES: Final = "{count} lines"
HISTORY_ONE_LINE: Final = "1 line"
TODAY: Final = "Today"
YESTERDAY: Final = "Yesterday"

INSIGHTS_PAGE: Final = "Insights"
INSIGHTS_TITLE: Final = "Insights"
INSIGHTS_LEAD: Final = "How the talks kept on this computer went."
INSIGHTS_EMPTY_TITLE: Final = "Nothing to draw yet"
INSIGHTS_EMPTY: Final = "Ask Kai a few things, then look here. This is what it will look like:"
INSIGHTS_EXAMPLE: Final = "Example with made-up numbers"
INSIGHTS_RANGE: Final = "Days"
INSIGHTS_RANGES: Final = {1: "today", 7: "7 days", 30: "30 days", 365: "a year"}
INSIGHTS_TURNS: Final = "Answers"
INSIGHTS_TALKS: Final = "Talks"
INSIGHTS_WAIT_HALF: Final = "Typical wait"
INSIGHTS_WAIT_MOST: Final = "Slowest 5% above"
INSIGHTS_INTERRUPTED: Final = "Interrupted"
INSIGHTS_WAIT_TITLE: Final = "How long until Kai is heard, answer by answer"
INSIGHTS_WAIT_HELP: Final = "From your last word, or from Enter, until you hear Kai."
INSIGHTS_WAIT_MIDDLE: Final = "The line is the typical wait (p50) of the last 20 answers."
INSIGHTS_WAIT_BAND: Final = "The band reaches to where their slowest 5% begin (p95)."
INSIGHTS_TOO_FEW: Final = "Too few answers yet for a typical time."
INSIGHTS_NOT_YET: Final = "too few yet"
INSIGHTS_STAGES_TITLE: Final = "Where the time goes"
INSIGHTS_STAGES_HELP: Final = (
    "The typical time of each part (p50) and, from 20 answers on, where its slowest 5% begin (p95)."
)
INSIGHTS_DAYS_TITLE: Final = "Answers by day"
INSIGHTS_DAYS_HELP: Final = "The lower part of a bar was interrupted."
INSIGHTS_HEARD_OUT: Final = "heard to the end"
INSIGHTS_CUT: Final = "interrupted"
INSIGHTS_SECONDS: Final = "seconds"
INSIGHTS_ANSWER: Final = "answer"
INSIGHTS_DAY: Final = "day"
INSIGHTS_COUNT: Final = "answers"
INSIGHTS_CSV: Final = "Answers as CSV"
INSIGHTS_CSV_TALKS: Final = "Talks as CSV"
INSIGHTS_PARTS_TITLE: Final = "The last answers, part by part"
INSIGHTS_PARTS_HELP: Final = "One bar per answer; the steps stack from the bottom up."
INSIGHTS_PARTS: Final = {
    "end_ms": "waiting for you to finish",
    "think_ms": "thinking",
    "voice_ms": "voice",
    "face_ms": "face",
}
INSIGHTS_FPS_GOOD: Final = "smooth from here up"
INSIGHTS_P50: Final = "typical"
INSIGHTS_P95: Final = "slowest 5% above"
INSIGHTS_FPS: Final = "Frames per second"
INSIGHTS_FPS_TITLE: Final = "Frames per second while Kai speaks"
INSIGHTS_FPS_HELP: Final = "As the page counts them; hollow where only what the app sent is known."
INSIGHTS_FPS_DROPPED: Final = "{dropped} frames were not shown."
INSIGHTS_SOUND_LOST: Final = "{seconds} of your own sound were lost: this computer was too busy."
INSIGHTS_LATE_TITLE: Final = "Sound against picture"
INSIGHTS_LATE_HELP: Final = (
    "How much later than its sound the picture leaves Kai's app, answer by answer. Within the band (40 ms early to 60 ms "
    "late) nobody notices. Measured for the built-in face only."
)
INSIGHTS_MS: Final = "ms"
INSIGHTS_NOT_SEEN: Final = (
    "No frames were counted in these talks yet: that happens while Kai speaks and a page shows the face."
)
INSIGHTS_COST: Final = "Spent"
INSIGHTS_COST_NONE: Final = "nothing"
INSIGHTS_COST_TITLE: Final = "What it cost"
INSIGHTS_COST_DAY: Final = "By day"
INSIGHTS_COST_TALK: Final = "By talk"
INSIGHTS_COST_FREE: Final = "Nothing was spent: everything ran on this computer."
INSIGHTS_COST_HELP: Final = "By the prices that Kai knows; only the provider's bill is exact."
INSIGHTS_COST_UNKNOWN: Final = "Some of it has no known price and is missing here."
INSIGHTS_DOLLARS: Final = "US dollars"
INSIGHTS_AVATAR: Final = "minutes of LiveAvatar"


def seconds(ms: float | None) -> str:
    """A length of time of a few seconds: ``0.84 s``; a dash where there is none."""
    return "–" if ms is None else f"{ms / 1000:.2f} s"


def seconds_short(ms: float | None) -> str:
    """A length of time of some seconds: ``0.8 s``; a dash where there is none."""
    return "–" if ms is None else f"{ms / 1000:.1f} s"


def money(usd: float | None) -> str:
    """A sum of US dollars, with as many places as it needs: ``$0.0042``, ``$0.13``; a dash where there is none."""
    if usd is None:
        return "–"
    if 0 < usd < 0.0001:
        return "under $0.0001"
    return f"${usd:.2f}" if usd >= 0.1 or usd == 0 else f"${usd:.4f}"


def mind(name: str, tokens_per_s: float | None) -> str:
    """Who thought of an answer, and how fast: ``Qwen2.5 1.5B, 13.4 tokens a second``."""
    return name if tokens_per_s is None else f"{name}, {tokens_per_s:.1f} tokens a second"


def answers_of_mind(name: str, count: int, tokens_per_s: float | None) -> str:
    """How often a mind answered, and how fast in the middle."""
    times = "once" if count == 1 else f"{count} times"
    return f"{name} {times}" + ("" if tokens_per_s is None else f" at {tokens_per_s:.1f} tokens a second")


def talk_cost(cost_usd: float | None, *, is_exact: bool, avatar_s: float, avatar_credits: int = 0) -> str:
    """What a talk has cost, in words."""
    if cost_usd is None:
        brain = ""
    else:
        words = HISTORY_COST if is_exact else HISTORY_COST_LEAST
        brain = words.format(cost=money(cost_usd))
    avatar = HISTORY_AVATAR.format(minutes=f"{avatar_s / 60:.1f}") if avatar_s else ""
    credits = credits_used(avatar_credits) if avatar_credits else ""
    return " · ".join(part for part in (brain, avatar, credits) if part) or HISTORY_FREE


def cost_why(why: str, answer: str, credits: int) -> str:
    """Return what a part of a talk's cost was for, in words: ``the answer “The train leaves at nine.”``."""
    match why:
        case "answer":
            words = answer if len(answer) <= 60 else f"{answer[:60].rsplit(' ', 1)[0]} …"
            return f"the answer “{words}”" if words else "an answer of which nothing was heard"
        case "listening":
            return "writing down what you said"
        case "failed-start":
            return "a start that failed (1 credit)"
        case _:
            return (
                "a session of 1 begun minute (1 credit)"
                if credits == 1
                else f"a session of {credits} begun minutes ({credits} credits)"
            )


def day(wall_s: float, now_wall_s: float, zone: tzinfo | None = None) -> str:
    """A day in words, by the calendar of ``zone``: ``Today``, ``Yesterday`` or ``May 3, 2026``."""
    at, today = (local_time.local_time(s, zone).date() for s in (wall_s, now_wall_s))
    if at == today:
        return TODAY
    if at == today - timedelta(days=1):
        return YESTERDAY
    return local_time.day(wall_s, zone)


def clock(wall_s: float, zone: tzinfo | None = None) -> str:
    """A time of day by the clock of ``zone``: ``4:51 pm``."""
    return local_time.clock(wall_s, zone)
