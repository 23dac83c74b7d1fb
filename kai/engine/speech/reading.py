"""Converts written tokens to spoken words: symbols, units, addresses, code, and scripts that the voice cannot read. Pure.

Each token of a text is spoken ("3 ≠ 4": "is not equal to"), or named ("спасибо": "a word in Cyrillic letters"), or left out
because a person would not read it either: emphasis, tags, rules, stage directions, an emoji after a sentence. Nothing is
left out whose absence would change the meaning.
"""

from __future__ import annotations

import html
import re
import unicodedata
from typing import Final

CODE_WORDS: Final = "The code is in the chat."
MAX_SPOKEN_CHARS: Final = 120
"""The limit of one token; nobody would listen to a longer one."""
_LONG_WORD_CHARS: Final = 60
_LONG_RUN: Final = re.compile(r"([^\W\d])\1{4,}")
_LONG_DIGITS: Final = re.compile(r"\d{13,}")

_ACTS: Final = (
    r"(?:laugh|smile|smil|sigh|nod|grin|grinn|wink|chuckle|chuckl|giggle|giggl|shrug|pause|paus|gasp|cough|"
    r"whisper|blush|wave|wav|"
    r"bow|cry|cri|hum|humm|sing|yawn|think|beep|snort|sob|cheer|clap|clapp|lean|look|raise|rais|tilt|clear|"
    r"applause|music|silence)"
    r"(?:s|es|ing|ed)?"
)
_STAGE_WORDS: Final = (
    rf"(?:[a-z]+ly )?{_ACTS}"
    r"(?: (?:[a-z]+ly|at you|back|to (?:him|her)self|head|his|her|their|throat|eyebrow))*"
)
_STAGE: Final = re.compile(rf"\*{_STAGE_WORDS}\*|\({_STAGE_WORDS}\)|\[{_STAGE_WORDS}\]", re.IGNORECASE)
_FENCE: Final = re.compile(r"```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)", re.DOTALL)
_TAG: Final = re.compile(r"<!--.*?-->|</?[A-Za-z][\w-]*(?:\s[^<>]*)?/?>", re.DOTALL)
_LINK: Final = re.compile(r"!?\[([^\]\n]*)\](?:\([^)\n]*\)|\[[^\]\n]{1,40}\])")
_GROUPED: Final = re.compile(r"(?<![\w.,+-])[1-9]\d{0,2}(?:[ \u00a0\u202f]\d{3})*[ \u00a0\u202f]000(?!\w)")
"""Thousands separated by spaces. Groups of other digits may also be a telephone number."""
_PHONE: Final = re.compile(
    r"(?<![\w.])(?!\d{1,2}/\d{1,2}/\d{2,4}(?!\d))(?:(?:\+\d|0\d)[\d ()/-]{4,18}\d(?![\w.]*\d)|"
    r"\(\d{3}\) ?\d{3}-\d{4}|(?:1-)?\d{3}-\d{3}-\d{4})(?!\d)"
)
_SPELT: Final = re.compile(
    r"(?<![\w-])(?:[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?|97[89][ -]?\d(?:[ -]?\d){9}|"
    r"\d{4}(?:[ -]\d{4}){3})(?![\w-])"
)
"""Numbers of accounts, cards and books, which are read digit by digit."""
_FORMULA: Final = re.compile(
    r"\\\(.+?\\\)|\\\[.+?\\\]|\\[a-zA-Z]+(?:\{[^{}\n]*\})+|\$\$[^$]+\$\$|\$(?=[^$\s\d])[^$\n]*[\\^_=+][^$\n]*(?<=\S)\$",
    re.DOTALL,
)
HOLDS_SPACE: Final = (_FENCE, _TAG, _LINK, _STAGE, _FORMULA, _GROUPED, _SPELT, _PHONE)
"""Constructs that are one token although they may contain spaces."""

_SYMBOLS: Final = {
    "×": "times", "·": "times", "÷": "divided by", "≠": "is not equal to", "≥": "is at least", "≤": "is at most",
    "≈": "is about", "≡": "is identical to", "±": "plus or minus", "∓": "minus or plus", "∞": "infinity",
    "√": "the square root of",
    "→": "to", "←": "from", "↔": "to and from", "⇒": "therefore", "⇔": "if and only if", "↑": "up", "↓": "down",
    "∑": "the sum of",
    "∏": "the product of", "∫": "the integral of", "∂": "partial", "∆": "delta", "∇": "nabla", "∈": "in",
    "∉": "not in", "∪": "union",
    "∩": "intersection", "∅": "the empty set", "∀": "for all", "∃": "there is", "¬": "not", "∧": "and", "∨": "or",
    "−": "minus",
    "‰": "per mille", "‱": "per ten thousand", "№": "number", "§": "section", "¶": "paragraph", "©": "copyright",
    "®": "registered",
    "™": "trademark", "†": "dagger", "Ω": "ohm", "℃": "degrees Celsius", "℉": "degrees Fahrenheit", "²": "squared",
    "³": "cubed",
    "&": "and", "@": "at", "+": "plus", "=": "equals", "<": "is less than", ">": "is greater than",



    "⁄": "over",
}  # fmt: skip
_PICTURES: Final = {
    "✓": "check",
    "✔": "check",
    "✗": "cross",
    "✘": "cross",
    "★": "star",
    "☆": "star",
    "❤": "heart",
    "♥": "heart",
    "👍": "thumbs up",
    "👎": "thumbs down",
    "✅": "check",
    "❌": "cross",
}
"""Names shorter than Unicode's."""
_MONEY: Final = {
    "$": "dollars", "€": "euros", "£": "pounds", "¥": "yen", "₹": "rupees", "₩": "won", "₽": "rubles", "₺": "lira",
    "₫": "dong",
    "₪": "shekels", "₦": "naira", "฿": "baht", "₴": "hryvnias", "₱": "pesos", "₿": "bitcoin", "₡": "colones",
    "₲": "guaranis",
    "₸": "tenge", "₵": "cedis",
}  # fmt: skip
_UNITS: Final = {
    "g": "gram", "kg": "kilogram", "mg": "milligram", "µg": "microgram", "t": "ton", "m": "meter", "km": "kilometer",
    "cm": "centimeter", "mm": "millimeter", "µm": "micrometer", "nm": "nanometer", "l": "liter", "L": "liter",
    "ml": "milliliter",
    "mL": "milliliter", "cl": "centiliter", "dl": "deciliter", "Hz": "hertz", "kHz": "kilohertz", "MHz": "megahertz",
    "GHz": "gigahertz", "W": "watt", "kW": "kilowatt", "MW": "megawatt", "GW": "gigawatt", "kWh": "kilowatt hour",
    "Wh": "watt hour",
    "V": "volt", "kV": "kilovolt", "mV": "millivolt", "mA": "milliampere", "mAh": "milliampere hour",
    "Ah": "ampere hour", "µA": "microampere", "Ω": "ohm", "kΩ": "kiloohm", "MΩ": "megaohm",
    "nF": "nanofarad", "pF": "picofarad", "µF": "microfarad", "mH": "millihenry", "Pa": "pascal",
    "hPa": "hectopascal",
    "kPa": "kilopascal", "bar": "bar", "J": "joule", "kJ": "kilojoule", "cal": "calorie", "kcal": "kilocalorie",
    "N": "newton",
    "kN": "kilonewton", "Nm": "newton meter", "s": "second", "ms": "millisecond", "µs": "microsecond",
    "ns": "nanosecond",
    "min": "minute", "h": "hour", "hrs": "hours", "hr": "hour", "kB": "kilobyte", "KB": "kilobyte", "MB": "megabyte",
    "GB": "gigabyte", "TB": "terabyte", "dB": "decibel", "ha": "hectare", "m²": "square meter",
    "km²": "square kilometer",
    "cm²": "square centimeter", "mm²": "square millimeter", "m³": "cubic meter", "cm³": "cubic centimeter",
    "km/h": "kilometers per hour", "m/s": "meters per second", "m/s²": "meters per second squared",
    "mph": "miles per hour", "kg/m³": "kilograms per cubic meter", "Mbit/s": "megabits per second",
    "MB/s": "megabytes per second", "GB/s": "gigabytes per second", "fps": "frames per second",
    "rpm": "revolutions per minute",
    "lb": "pound", "lbs": "pounds", "oz": "ounce", "ft": "foot", "ft²": "square foot", "sq.ft": "square feet",
    "tsp": "teaspoon", "tbsp": "tablespoon", "gal": "gallon", "yd": "yard", "mi": "mile",
    "px": "pixel", "°C": "degrees Celsius",
    "°F": "degrees Fahrenheit", "°": "degree", "%": "percent", "‰": "per mille", "K": "kelvin", "mol": "mole",
    "kbps": "kilobits per second", "Mbps": "megabits per second", "Gbps": "gigabits per second",
}  # fmt: skip
_PLURALS: Final = {"foot": "feet", "square foot": "square feet"} | {
    name: name for name in ("percent", "per mille", "bar", "hertz", "kelvin")
}
_ALONE: Final = frozenset(_UNITS) - {"t", "K", "N", "J", "V", "W", "hr", "L", "px"}
"""Units that are recognised after a number and a space; a letter such as "A" would be ambiguous there."""
_SPECIAL: Final = {
    "c#": "C sharp", "f#": "F sharp", "g#": "G sharp", "d#": "D sharp", "a#": "A sharp", "j#": "J sharp",
    "c++": "C plus plus",
    "g++": "G plus plus", "notepad++": "Notepad plus plus", "24/7": "twenty-four seven", "50/50": "fifty-fifty",
    "50-50": "fifty-fifty",
    "and/or": "and or",
    "he/she": "he or she", "she/he": "she or he",
    "his/her": "his or her", "him/her": "him or her", "s/he": "she or he", "w/o": "without", "w/": "with",
    "n/a": "not applicable", ".net": "dot net", "tcp/ip": "TCP IP", "i/o": "I O",
    "a/b": "A B", "e.g": "for example", "i.e": "that is", "etc": "et cetera", "vs": "versus",
    "approx": "approximately", "->": "to", "-->": "to",
    "<-": "from", "=>": "therefore", "==>": "therefore", ">=": "is at least", "=>=": "is at least",
    "<=": "is at most", "!=": "is not equal to", "<>": "is not equal to",
    "==": "equals", "===": "equals", "~=": "is about", "<->": "to and from", "+/-": "plus or minus", "<3": "heart",
    "&&": "and", "||": "or", "//": "slash slash",
    ":)": "", ":-)": "", ";)": "", ";-)": "", ":d": "", ":(": "", ":-(": "", ":p": "",
}  # fmt: skip
_ABBREVIATIONS: Final = frozenset(("e.g", "i.e", "approx", "vs"))
_SAID_NAMES: Final = {"OPENAI": "OpenAI", "KEY": "key", "WebRTC": "web RTC", "JSON": "Jason"}
_NAMES: Final = re.compile(rf"\b(?:{'|'.join(_SAID_NAMES)})\b")
_LETTERS: Final = {
    "ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "þ": "th", "ð": "th", "ı": "i", "ħ": "h", "ŋ": "ng",
}  # fmt: skip
_KEPT: Final = frozenset("’‘“”—–…°£€¢¥½¼¾")
_SCRIPTS: Final = {
    "CJK": "Chinese characters",
    "HIRAGANA": "Japanese characters",
    "KATAKANA": "Japanese characters",
    "HALFWIDTH": "Japanese characters",
    "HANGUL": "Korean letters",
    "BOPOMOFO": "Chinese characters",
}
_LATEX: Final = {
    "times": "times", "cdot": "times", "div": "divided by", "pm": "plus or minus", "leq": "is at most",
    "le": "is at most",
    "geq": "is at least", "ge": "is at least", "neq": "is not equal to", "ne": "is not equal to",
    "approx": "is about",
    "infty": "infinity", "to": "to", "rightarrow": "to", "leftarrow": "from", "sum": "the sum of",
    "int": "the integral of",
    "left": "", "right": "", "text": "", "mathrm": "", "mathbf": "", "quad": "", "degree": "degrees",
    "circ": "degrees", "ldots": "and so on",
    "dots": "and so on", "lt": "is less than", "gt": "is greater than", "implies": "therefore", "in": "in",
}  # fmt: skip

_EDGES: Final = re.compile(
    r"(?P<head>[\"'“”‘’(\[{*_]*)(?P<core>.*?)(?P<tail>[\"'“”‘’)\]}*_,;:.!?…]*)", re.DOTALL
)
_RULE: Final = re.compile(r"([=\-_*~#+.–—|:])\1{2,}|[|:\-+=]{3,}|\|+")
_URL: Final = re.compile(r"<?(?:https?://(?:[^/\s@]*@)?|www\.)(?P<host>[^/\s?#:>]+)\S*", re.IGNORECASE)
_MAIL: Final = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_DOMAIN: Final = re.compile(
    r"(?:[a-z0-9-]+\.)+(?:com|org|net|io|ai|dev|de|uk|fr|es|it|eu|edu|gov|info|app|co|ch|at|nl|us|me|tv|ca|"
    r"au)(?::\d+)?(?:/\S*)?",
    re.IGNORECASE,
)
_DRIVE: Final = re.compile(r"[A-Za-z]:[\\/]\S*|\\\\\S+")
_PATH: Final = re.compile(r"(?:~|\.{1,2})?(?:/[\w.@+-]+)+/?|(?:[\w.-]+/){2,}[\w.-]*")
_DOTTED: Final = re.compile(r"(?P<v>[vV])?(?P<numbers>\d+(?:\.\d+)+)")
_NUMBER: Final = r"\d+(?:[.,]\d+)*"
_SIGNED: Final = re.compile(rf"(?P<sign>[-−–+±~≈<>≤≥]|[<>]=)(?P<rest>[$€£¥]?{_NUMBER}.*)", re.DOTALL)
_SIGNS: Final = {
    "-": "minus", "−": "minus", "–": "minus", "+": "plus", "±": "plus or minus", "~": "about", "≈": "about",
    "<": "less than",
    ">": "more than", "≤": "at most", "≥": "at least", "<=": "at most", ">=": "at least",
}  # fmt: skip
_RANGE: Final = re.compile(rf"(?P<first>[$€£]?{_NUMBER})[-–—](?P<last>[$€£]?{_NUMBER})(?P<unit>\S*)")
_WITH_UNIT: Final = re.compile(rf"(?P<number>{_NUMBER}(?:/\d+)?)(?P<unit>[^\d\s,;:!?]\S*)")
_MONEY_FIRST: Final = re.compile(
    rf"(?P<sign>[{re.escape(''.join(_MONEY))}])(?P<number>{_NUMBER})(?P<more>k|K|M|B|bn|m)?"
)
_MONEY_LAST: Final = re.compile(rf"(?P<number>{_NUMBER})(?P<sign>[{re.escape(''.join(_MONEY))}])")
_COUNTS: Final = re.compile(rf"[(\"'“]?[-−–+±~≈<>≤≥]?(?:{_NUMBER}[-–—])?(?:{_NUMBER}(?:/\d+)?[½¼¾]?|[½¼¾])")
"""The text before a unit: an amount."""
_ZEROS: Final = re.compile(r"0\d+")
_POWER: Final = re.compile(r"\^\{?(?P<power>[\w+-]+)\}?")
_FEET: Final = re.compile(r"(?P<feet>\d)['’′](?:(?P<inches>\d{1,2})[\"”″])?")
_INCHES: Final = re.compile(r"(\d{1,2})[\"”″]([.,;!?]?)")
_TIMES: Final = re.compile(r"(?P<first>\d+(?:\.\d+)?)[x×](?P<last>\d+(?:\.\d+)?)?")
_PARTS: Final = {
    "1/2": "a half",
    "1/4": "a quarter",
    "3/4": "three quarters",
    "1/3": "a third",
    "2/3": "two thirds",
}
_VULGAR: Final = {"½": "a half", "¼": "a quarter", "¾": "three quarters", "⅓": "a third", "⅔": "two thirds"}
_MIXED: Final = re.compile(rf"(?P<whole>\d+)(?P<part>[{''.join(_VULGAR)}])(?P<unit>\S*)")
_COMPARED: Final = re.compile(r"(?<=[\w)\]])(?:<=|>=|==|!=|<>|->|=>)(?=[\w(\[])")
_AT_PORT: Final = re.compile(r"(?P<place>\d{1,3}(?:\.\d{1,3}){3}):(?P<port>\d{1,5})")
_CODES: Final = {"USD": "US dollars", "EUR": "euros", "GBP": "pounds", "CHF": "Swiss francs", "JPY": "yen"}
_FILE_DOT: Final = re.compile(
    r"\.(?=(?:env|py|toml|txt|md|json|js|ts|html|css|pdf|wav|mp3|mp4|yaml|yml|csv|log|docx|xlsx|png|jpg|zip|exe|"
    r"sh)\b)",
    re.IGNORECASE,
)


_ENTITY: Final = re.compile(r"&(?:#\d{1,6}|#x[\da-f]{1,5}|[a-z]{2,8});", re.IGNORECASE)
_CITED: Final = re.compile(r"【[^】]*】|(?:\[\d{1,3}(?:[,–-] ?\d{1,3})*\])+(?=\W*$)")
"""A reference to a source, which is not read aloud."""
_SHORTCODE: Final = re.compile(r"(?<!\w):[a-z][a-z_]+:(?!\w)")
_BOX: Final = re.compile(r"\[([xX]?)\]")
_WRITTEN_BREAK: Final = re.compile(r"(?:\\[nr])+(?=[A-Z\d*#-]|\s|$)")
"""A line break that was written as two characters."""
_FOOTNOTE: Final = re.compile(r"(?<=[^\W\d_]{3})(?<!sin)(?<!cos)(?<!tan)(?<!log)[¹²³⁰⁴-⁹]+(?!\w)")
_STARS: Final = re.compile(r"(?P<full>[★⭐]*)(?P<empty>☆*)")
_DURATION: Final = re.compile(r"(?:(?P<h>\d{1,3})h)?(?:(?P<m>\d{1,3})m(?:in)?)?(?:(?P<s>\d{1,3})s)?")
_AFTER_HOURS: Final = re.compile(r"\d+ ?(?:h|hrs?|hours?)")
_RATIO: Final = re.compile(r"(?P<first>\d{1,3}):(?P<last>\d|[6-9]\d|\d{3})")
_SCIENTIFIC: Final = re.compile(r"(?P<number>\d+(?:\.\d+)?)[eE](?P<sign>[+-]?)0*(?P<power>\d{1,3})")
_DOTTED_DATE: Final = re.compile(
    r"0?(?P<day>[1-9]|[12]\d|3[01])\.0?(?P<month>[1-9]|1[0-2])\.(?P<year>(?:19|20)\d\d)"
)
_IDENTIFIER: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_CLOCK: Final = r"\d{1,2}(?::\d\d)?(?:[ap]m)?"
_CLOCKS: Final = re.compile(rf"(?P<first>{_CLOCK})[-–—](?P<last>{_CLOCK})", re.IGNORECASE)
_SHORT_NAMES: Final = {
    name[:3].lower(): name
    for name in (
        *("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
        *("January", "February", "March", "April", "June", "July", "August", "September", "October"),
        *("November", "December"),
    )
}
_NAMED_SPAN: Final = re.compile(r"(?P<first>[A-Z][a-z]{2})\.?[-–—](?P<last>[A-Z][a-z]{2})\.?")


def speak_token(written: str, before: str = "", after: str = "") -> str:
    """Return how the token ``written`` is spoken; ``before`` and ``after`` are its neighbours in the sentence.

    The result is "" for markup, decoration, emoji, and letters that the voice cannot read, which `script_of` names.
    """
    if _FENCE.fullmatch(written):
        return CODE_WORDS
    text = _STAGE.sub("", _TAG.sub(" ", _FENCE.sub(f" {CODE_WORDS} ", written)))
    text = html.unescape(text).replace("\xa0", " ") if _ENTITY.search(text) else text
    text = _FOOTNOTE.sub("", _SHORTCODE.sub("", _CITED.sub("", text)))
    text = text if _DRIVE.match(text) else _WRITTEN_BREAK.sub(" ", text)
    text = _LINK.sub(r"\1", text).strip()
    if not text or _RULE.fullmatch(text):
        return "—" if text in {"--", "---"} and before else ""
    grouped = _GROUPED.match(text)
    if grouped is not None:
        return re.sub(r"\s", ",", grouped[0]) + text[grouped.end() :]
    if " " in text and not _PHONE.match(text) and not _SPELT.match(text) and not _FORMULA.search(text):
        return _short(" ".join(filter(None, (speak_token(part) for part in text.split()))))
    return _short(_with_edges(text, before, after))


def _with_edges(text: str, before: str, after: str) -> str:
    """Return the spoken token with those marks at its edges that make a pause or change the intonation."""
    if (special := _SPECIAL.get(text.lower())) is not None:
        return special
    if (box := _BOX.fullmatch(text)) is not None and before in {"-", "*", "+", "•"}:
        return "done:" if box[1] else ""
    if (stars := _STARS.fullmatch(text)) is not None and len(text) > 1:
        all_of = f" of {len(text)}" if stars["empty"] else ""
        return f"{len(stars['full'])}{all_of} stars"
    if text in {"-", "*", "•", ">"} and not before:
        return ""  # the mark of a list item or a quotation
    if text == "*":
        return "times" if re.search(r"[\d)]$", before) else ""
    if text in {"-", "–", "−"} and _COUNTS.fullmatch(before) and re.match(r"[-−(]?\d", after):
        return "minus"
    if (feet := _FEET.fullmatch(text)) is not None and (feet["inches"] or _INCHES.fullmatch(after)):
        return f"{feet['feet']} feet" + (f" {feet['inches']} inches" if feet["inches"] else "")
    if (inches := _INCHES.fullmatch(text)) is not None and _FEET.fullmatch(before):
        return f"{inches[1]} inches{inches[2]}"
    spelt = _SPELT.match(text)
    if spelt is not None:
        signs = ", ".join(" ".join(group) for group in re.findall(r"[A-Z0-9]+", spelt[0]))
        return signs + _plain(text[spelt.end() :])
    phone = _PHONE.match(text)
    if phone is not None:
        digits = ", ".join(" ".join(group) for group in re.findall(r"\d+", phone[0]))
        return ("plus " if text.startswith("+") else "") + digits + _plain(text[phone.end() :])
    if _FORMULA.search(text) or re.search(r"\\(?:frac|sqrt|[a-z]{2,})\b", text) and not _DRIVE.match(text):
        return _speak_formula(text)
    parted = _EDGES.fullmatch(text)
    head, core, tail = parted.groups() if parted is not None else ("", text, "")
    if core.lower() in _SPECIAL:
        # The full stop of "e.g." does not end a sentence; that of "etc." may.
        tail = tail.removeprefix(".") if core.lower() in _ABBREVIATIONS else tail
        return f"{_plain(head)}{_SPECIAL[core.lower()]}{_plain(tail)}"
    for read in (_read_address, _read_number):
        if (said := read(core, before)) is not None:
            return f"{_plain(head)}{said}{_plain(tail)}"
    return _speak_plainly(text, before)


def _read_address(core: str, before: str) -> str | None:
    del before
    core = core.removeprefix("mailto:")
    if _IDENTIFIER.fullmatch(core):
        return "an identifier"
    url = _URL.fullmatch(core)
    if url is not None:
        return _plain(" dot ".join(url["host"].removeprefix("www.").split(".")))
    if "://" in core:
        return "a link"
    if (at_port := _AT_PORT.fullmatch(core)) is not None:
        return f"{at_port['place'].replace('.', ' dot ')} colon {at_port['port']}"
    if _DRIVE.fullmatch(core):
        return _plain(core.replace(":", " colon ").replace("\\", " backslash ").replace("/", " slash "))
    if _MAIL.fullmatch(core) or _DOMAIN.fullmatch(core):
        spelt = core.replace("@", " at ").replace(".", " dot ").rstrip("/").replace("/", " slash ")
        return _plain(spelt.replace("-", " dash ").replace("_", " underscore ").replace(":", " colon "))
    if _PATH.fullmatch(core) and not core.replace("/", "").isdigit() and ("." in core or core.count("/") > 1):
        return _plain(core.replace("~", "home").replace("/", " slash ").replace(".", " dot ")).strip()
    return None


def _read_number(core: str, before: str) -> str | None:
    if core in _UNITS and core in _ALONE and _COUNTS.fullmatch(before):
        return _unit(core, before)
    if core in _CODES and _COUNTS.fullmatch(before):
        return _CODES[core]
    if (clock := _read_clock(core, before)) is not None:
        return clock
    if core in _UNITS and ("²" in core or "³" in core or "/" in core):
        return _unit(core, "")
    if core in _PARTS and before.isdigit():
        return f"and {_PARTS[core]}"
    mixed = _MIXED.fullmatch(core)
    if mixed is not None and (not mixed["unit"] or mixed["unit"] in _UNITS):
        unit = f" {_unit(mixed['unit'], '2')}" if mixed["unit"] else ""
        return f"{mixed['whole']} and {_VULGAR[mixed['part']]}{unit}"
    times = _TIMES.fullmatch(core)
    if times is not None:
        return f"{times['first']} times{' ' + times['last'] if times['last'] else ''}"
    dotted = _DOTTED.fullmatch(core)
    if dotted is not None and (dotted["v"] or dotted["numbers"].count(".") > 1):
        groups = dotted["numbers"].split(".")
        is_address = len(groups) == 4 and all(int(group) < 256 for group in groups if len(group) < 4)
        if (
            not dotted["v"]
            and not is_address
            and all(len(group) == 3 for group in groups[1:])
            and len(groups[0]) < 4
        ):
            return ",".join(groups)  # 1.000.000
        return ("version " if dotted["v"] else "") + (" dot " if is_address else " point ").join(groups)
    signed = _SIGNED.fullmatch(core)
    if signed is not None:
        rest = _read_number(signed["rest"], "")
        return f"{_SIGNS[signed['sign']]} {rest if rest is not None else _speak_plainly(signed['rest'], '')}"
    if re.fullmatch(r"\d{3}-\d{4}", core) and not (core[2] == core[-1] == "0"):
        return f"{' '.join(core[:3])}, {' '.join(core[4:])}"
    span = _RANGE.fullmatch(core)
    if (
        span is not None
        and not _ZEROS.fullmatch(span["first"])
        and (not span["unit"] or span["unit"] in _UNITS)
    ):
        unit = f" {_unit(span['unit'], span['last'])}" if span["unit"] else ""
        return f"{span['first']} to {span['last']}{unit}"
    money = _MONEY_FIRST.fullmatch(core) or _MONEY_LAST.fullmatch(core)
    if money is not None and money["sign"] not in "$€£":
        more = {
            "k": " thousand",
            "K": " thousand",
            "M": " million",
            "m": " million",
            "B": " billion",
            "bn": " billion",
        }
        return f"{money['number']}{more.get(money.groupdict().get('more') or '', '')} {_MONEY[money['sign']]}"
    with_unit = _WITH_UNIT.fullmatch(core)
    if (
        with_unit is not None
        and with_unit["unit"] in _UNITS
        and not _is_other(with_unit["number"], with_unit["unit"])
    ):
        return f"{with_unit['number']} {_unit(with_unit['unit'], with_unit['number'])}"
    if "/" in core and len(parts := core.split("/")) == 2 and not core.replace("/", "").isdigit():
        said = [_read_number(part, "") for part in parts]
        if said[0] is not None and said[1] is not None:
            return f"{said[0]} slash {said[1]}"
    if core.startswith("#") and core[1:].isdigit():
        return f"number {core[1:]}"
    if _ZEROS.fullmatch(core):
        return " ".join(core)
    return None


def _read_clock(core: str, before: str) -> str | None:
    """Read a time, a date or a proportion: "2h30m", "9am-5pm", "Mon-Fri", "31.12.2024", "16:9", "1.5e9"."""
    duration = _DURATION.fullmatch(core)
    is_minutes = _AFTER_HOURS.fullmatch(before) is not None
    if duration is not None and (sum(part is not None for part in duration.groups()) > 1 or is_minutes):
        named = zip(("hour", "minute", "second"), duration.groups(), strict=True)
        return " ".join(f"{part} {name}{'' if part == '1' else 's'}" for name, part in named if part)
    clocks = _CLOCKS.fullmatch(core)
    if clocks is not None and re.search(r"[:m]", core, re.IGNORECASE):
        return f"{clocks['first']} to {clocks['last']}"
    span = _NAMED_SPAN.fullmatch(core)
    if span is not None and span["first"].lower() in _SHORT_NAMES and span["last"].lower() in _SHORT_NAMES:
        return f"{_SHORT_NAMES[span['first'].lower()]} to {_SHORT_NAMES[span['last'].lower()]}"
    date = _DOTTED_DATE.fullmatch(core)
    if date is not None:
        # The form in which the voice's own rules recognise a date.
        return f"{date['year']}-{int(date['month']):02d}-{int(date['day']):02d}"
    ratio = _RATIO.fullmatch(core)
    if ratio is not None:
        return f"{ratio['first']} to {ratio['last']}"
    scientific = _SCIENTIFIC.fullmatch(core)
    if scientific is not None:
        sign = "minus " if scientific["sign"] == "-" else ""
        return f"{scientific['number']} times 10 to the power of {sign}{scientific['power']}"
    return None


def _is_other(number: str, unit: str) -> bool:
    """Return whether the letters after a number are not a unit (the 80s, 4K), or are read by the voice's own rules."""
    return unit in {"%", "°", "K", "N", "J", "t"} or (unit == "s" and number.endswith("0"))


def _unit(unit: str, number: str) -> str:
    name = _UNITS[unit]
    if name == "degree":
        return "degrees"
    is_one = number.lstrip("-−+") in ("1", "½", "¼", "¾")
    if is_one or " per " in name or name.startswith("degrees"):
        return name
    return _PLURALS.get(name, name if name.endswith(("s", "z")) else f"{name}s")


def _speak_formula(text: str) -> str:
    for _ in range(4):
        text = re.sub(r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}", r" \1 over \2 ", text)
        text = re.sub(r"\\sqrt\s*\{([^{}]*)\}", r" the square root of \1 ", text)
    text = re.sub(r"\\[()\[\]]|\$", " ", text)
    text = re.sub(r"\\([a-zA-Z]+)", lambda match: f" {_LATEX.get(match[1], match[1])} ", text)
    text = _POWER.sub(_power, text).replace("_", " sub ").replace("\\", " ")
    text = re.sub(r"[{}]", " ", text).replace("-", " minus ").replace("*", " times ").replace("/", " over ")
    return " ".join(_plain(text).split())


def _power(match: re.Match[str]) -> str:
    power = match["power"].replace("-", "minus ").replace("+", "")
    return {"2": " squared", "3": " cubed"}.get(power, f" to the power of {power}")


def _speak_plainly(text: str, before: str) -> str:
    """Read the token letter by letter: readable text is kept, symbols are named, markup is removed."""
    text = re.sub(r"(?<=[^\W_])_+(?=[^\W_])", " ", text)
    text = re.sub(r"(?<=[\w)])\^\{?[\w+-]+\}?", lambda match: _POWER.sub(_power, match[0]), text)
    text = re.sub(r"(?<=[^\W\d])/(?=[^\W\d])", " slash ", text)
    text = _COMPARED.sub(lambda match: f" {_SPECIAL[match[0]]} ", text)
    text = _FILE_DOT.sub(" dot ", text)
    text = re.sub(r"^>+(?=\w)|^#+(?=\w)|[*`_~#|\\^{}]+", lambda match: _markup(match[0], text), text).strip()
    text = _NAMES.sub(lambda match: _SAID_NAMES[match[0]], text)
    said = " ".join(_plain(text).split())
    if not re.match(r"\d", said):
        said = _LONG_RUN.sub(r"\1\1\1", said)
    said = _LONG_DIGITS.sub(lambda match: " ".join(match[0][:_LONG_WORD_CHARS]), said)
    if not is_heard(said):
        # A separate dash keeps its pause; anything else is silent.
        return "—" if said in {"-", "–", "—", "--"} else ""
    return said


def _markup(sign: str, text: str) -> str:
    """Return the replacement of markup: a space for a backslash or bar between two words, else nothing."""
    return " " if sign in {"|", "\\"} and text.strip(sign) else ""


def _plain(text: str) -> str:
    """Return ``text`` in readable letters, with symbols by name, and foreign letters named if there are Latin ones too."""
    said: list[str] = []
    foreign: list[str] = []
    has_latin = any(_is_latin(char) for char in text)

    def name_foreign() -> None:
        if foreign and has_latin:
            said.append(f" {name_script(''.join(foreign), 1)} ")
        foreign.clear()

    for position, char in enumerate(text):
        if unicodedata.category(char)[0] in "LM" and not _is_latin(char) and char not in _SYMBOLS:
            greek = _greek(text, position)
            if greek:
                name_foreign()
                said.append(f" {greek} ")
            elif unicodedata.category(char)[0] == "L" or foreign:
                foreign.append(char)
            continue
        name_foreign()
        said.append(_say_char(char, text, position))
    name_foreign()
    return "".join(said)


def _is_latin(char: str) -> bool:
    if char.isascii():
        return char.isalpha()
    if char.lower() in _LETTERS:
        return True
    plain = unicodedata.normalize("NFKD", char)
    return unicodedata.category(char)[0] == "L" and any(part.isascii() and part.isalpha() for part in plain)


def _greek(text: str, position: int) -> str:
    """Return the name of a single Greek letter, as in formulas, or "" where it is part of a word."""
    beside = text[max(0, position - 1) : position] + text[position + 1 : position + 2]
    name = unicodedata.name(unicodedata.normalize("NFKC", text[position])[:1], "")
    is_alone = not any(unicodedata.name(char, "").startswith("GREEK") for char in beside)
    return (
        name.split()[-1].lower()
        if is_alone and re.match(r"GREEK (?:SMALL|CAPITAL) LETTER \w+$", name)
        else ""
    )


def _say_char(char: str, text: str, position: int) -> str:
    """Return how one character that is not a foreign letter is spoken."""
    if char in _MONEY:
        beside = text[max(0, position - 1) : position] + text[position + 1 : position + 2]
        return char if char in "$€£¥" and any(each.isdigit() for each in beside) else f" {_MONEY[char]} "
    if char == "%":
        return char if text[max(0, position - 1) : position].isdigit() else " percent "
    if char == "/" and text.strip(" .,") == "/":
        return " slash "
    if char in _SYMBOLS:
        return f" {_SYMBOLS[char]} "
    if char.isascii():
        return char if char.isprintable() else ""
    if char in _KEPT:
        return char
    if char.lower() in _LETTERS:
        return _LETTERS[char.lower()]
    if char.isdigit() and unicodedata.category(char) == "Nd":
        return str(unicodedata.digit(char))
    plain = unicodedata.normalize("NFKD", char)
    if unicodedata.category(char) == "No" and "SUPERSCRIPT" in unicodedata.name(char, ""):
        return f" to the power of {plain}"
    readable = "".join(part for part in plain if part.isascii() and part.isprintable()).replace("⁄", "/")
    if "⁄" in plain:
        return f" {plain.replace('⁄', '/')}"
    if unicodedata.category(char) in ("No", "Nl") and not is_heard(readable):
        return f" {unicodedata.numeric(char):g} "
    if readable.strip() or char.isspace():
        return readable or " "
    if unicodedata.category(char) in ("Sm", "Sc", "No", "Nl"):
        return f" {unicodedata.name(char, '').lower()} "
    return ""


def is_heard(said: str) -> bool:
    """Return whether the voice makes a sound for ``said``."""
    return any(char.isalnum() or char in "$£€¥%&+=@°/<>¢½¼¾" for char in said)


def script_of(text: str) -> str:
    """Return the name of the script of the first letter that the voice cannot read, or ""."""
    foreign = (char for char in text if unicodedata.category(char)[0] == "L" and not _is_latin(char))
    names = [unicodedata.name(char, "").split() for char in foreign]
    heads = [
        _SCRIPTS.get(name[0], f"{name[0].title()} letters") if name else "rare letters" for name in names
    ]
    if not heads:
        return ""
    return "Japanese characters" if "Japanese characters" in heads else heads[0]


def name_script(text: str, words: int) -> str:
    """Return what is spoken in place of ``words`` words that the voice cannot read."""
    return f"{'a word' if words == 1 else 'some words'} in {script_of(text)}"


def emoji_names(text: str) -> str:
    """Return the names of the emoji and symbols in ``text``, for a text without words."""
    names = [
        _PICTURES.get(char) or _SYMBOLS.get(char) or unicodedata.name(char, "").lower()
        for char in text
        if unicodedata.category(char) == "So"
        or char in _PICTURES
        or (char in _SYMBOLS and not char.isascii())
    ]
    return ", ".join(dict.fromkeys(filter(None, names)))


def _short(said: str) -> str:
    """Return ``said``, cut to a length that a person listens to."""
    said = re.sub(r" {2,}", " ", said).strip()
    if " " not in said:
        return said[:_LONG_WORD_CHARS]
    if len(said) <= MAX_SPOKEN_CHARS:
        return said
    return said[:MAX_SPOKEN_CHARS].rpartition(" ")[0]
