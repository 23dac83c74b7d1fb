"""Finds the time in other places: cities and countries of the time zone database, and further cities.

A country's zones are looked up in the tables of `tzdata`, so only the names that people use are listed here.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from importlib import resources
from typing import Final
from zoneinfo import ZoneInfo

_OTHER_NAMES: Final = {
    "GB": "uk,u.k,united kingdom,great britain,britain,england,scotland,wales,northern ireland",
    "US": "usa,u.s.a,u.s,us,america,united states of america,the states",
    "KR": "korea,south korea",
    "KP": "north korea",
    "NL": "holland,the netherlands",
    "CZ": "czech republic",
    "AE": "emirates,united arab emirates,uae",
    "CI": "ivory coast",
    "MM": "burma",
    "TR": "turkey",
    "VA": "vatican,the vatican",
    "MK": "macedonia",
    "Europe/Berlin": "munich,hamburg,cologne,frankfurt,stuttgart,dusseldorf,leipzig,dresden,hanover,nuremberg,bonn,"
    "munchen,koln,nurnberg,hannover,cet,"
    "central european time",
    "Europe/London": "manchester,birmingham,liverpool,leeds,glasgow,edinburgh,bristol,cardiff,oxford,cambridge",
    "Europe/Paris": "marseille,lyon,nice,toulouse,bordeaux,strasbourg,lille",
    "Europe/Madrid": "barcelona,valencia,seville,malaga,bilbao",
    "Europe/Rome": "milan,naples,turin,florence,venice,bologna,palermo,roma,milano,napoli,torino,firenze,venezia",
    "Europe/Zurich": "geneva,basel,bern,lausanne,geneve,genf",
    "Europe/Vienna": "salzburg,graz,innsbruck,wien",
    "Europe/Amsterdam": "rotterdam,the hague,utrecht,eindhoven",
    "Europe/Brussels": "antwerp,ghent,bruges,bruxelles,brussel",
    "Europe/Lisbon": "porto,lisboa",
    "Europe/Warsaw": "krakow,gdansk,wroclaw,warszawa",
    "Europe/Kyiv": "kyiv,kiev,lviv,odesa,odessa",
    "Europe/Stockholm": "gothenburg,malmo",
    "Europe/Oslo": "bergen,trondheim",
    "Europe/Copenhagen": "aarhus,kobenhavn",
    "Europe/Moscow": "saint petersburg,st petersburg,st. petersburg,petersburg,moskva",
    "Europe/Istanbul": "ankara,izmir,antalya",
    "Europe/Prague": "brno,praha",
    "Europe/Athens": "thessaloniki,crete,athina",
    "Asia/Kolkata": "mumbai,bombay,delhi,new delhi,bangalore,bengaluru,chennai,hyderabad,calcutta,pune",
    "Asia/Shanghai": "beijing,peking,shenzhen,guangzhou,wuhan,chengdu",
    "Asia/Tokyo": "osaka,kyoto,nagoya,sapporo,yokohama,hiroshima",
    "Asia/Seoul": "busan",
    "Asia/Ho_Chi_Minh": "hanoi,saigon",
    "Asia/Dubai": "abu dhabi",
    "Asia/Riyadh": "mecca,jeddah",
    "Asia/Jerusalem": "tel aviv,haifa",
    "Asia/Karachi": "islamabad,lahore",
    "Asia/Bangkok": "phuket,chiang mai",
    "Asia/Makassar": "bali",
    "Australia/Sydney": "canberra",
    "Australia/Brisbane": "gold coast",
    "Pacific/Auckland": "wellington,christchurch",
    "Pacific/Honolulu": "hawaii",
    "Africa/Johannesburg": "cape town,pretoria,durban",
    "Africa/Lagos": "abuja",
    "Africa/Casablanca": "marrakesh,marrakech,rabat",
    "America/New_York": "new york city,nyc,boston,washington,washington dc,washington d.c,philadelphia,miami,atlanta,"
    "orlando,pittsburgh,baltimore,cleveland,charlotte,eastern time,est,east coast,the east coast,new jersey,"
    "massachusetts,georgia",
    "America/Chicago": "dallas,houston,austin,san antonio,new orleans,minneapolis,milwaukee,st. louis,st louis,nashville,"
    "memphis,kansas city,central time,cst,illinois,minnesota,wisconsin,louisiana",
    "America/Denver": "salt lake city,albuquerque,mountain time,mst,colorado,utah,new mexico",
    "America/Los_Angeles": "la,l.a,san francisco,seattle,portland,san diego,las vegas,vegas,sacramento,san jose,"
    "silicon valley,hollywood,pacific time,pst,california,the west coast,west coast,washington state,nevada",
    "America/Phoenix": "arizona",
    "America/Anchorage": "alaska",
    "America/Toronto": "ottawa,montreal,quebec,ontario",
    "America/Edmonton": "calgary,alberta",
    "America/Vancouver": "british columbia",
    "America/Sao_Paulo": "rio,rio de janeiro,brasilia",
    "America/Bogota": "medellin",
    "America/Argentina/Buenos_Aires": "buenos aires",
    "UTC": "utc,gmt,greenwich,coordinated universal time",
}


@dataclass(frozen=True, slots=True)
class Place:
    """A city or a country, as it was said, with its time zones."""

    name: str
    zones: tuple[str, ...]

    def times(self, now: datetime) -> list[datetime]:
        """Return ``now`` in each distinct local time of the place. A naive ``now`` is this computer's local time."""
        found: dict[timedelta | None, datetime] = {}
        for zone in self.zones:
            there = now.astimezone(ZoneInfo(zone))
            found.setdefault(there.utcoffset(), there)
        return list(found.values())


def find_place(name: str) -> Place | None:
    """Return the city or country of that name; None if it is unknown."""
    plain = _plain(name)
    city, _, country = plain.partition(", ")
    if country and find_place(country) is not None:
        plain = city
    known = zones_by_name()
    forms = (
        plain,
        plain.removeprefix("the "),
        re.sub(r"[.']", "", plain),
    )  # "St. John's" is St_Johns in the table
    zones = next((known[form] for form in forms if form in known), None)
    return None if zones is None else Place(_said(plain), zones)


def _plain(name: str) -> str:
    letters = unicodedata.normalize("NFKD", name.casefold().replace("’", "'"))
    bare = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return re.sub(r"[\s_-]+", " ", bare.replace("ł", "l").replace("ø", "o").replace("đ", "d")).strip(" .,?!")


def _said(plain: str) -> str:
    short = {"usa", "us", "uk", "uae", "nyc", "la", "utc", "gmt", "est", "cst", "mst", "pst", "cet"}
    if (bare := plain.replace(".", "")) in short:
        return ("the " if bare in {"usa", "us", "uk", "uae"} else "") + bare.upper()
    if "." in plain and " " not in plain:
        return plain.upper()
    small = {"of", "the", "de", "and", "es", "time", "coast", "state"}
    return " ".join(
        word if word in small else word.upper() if word[1:2] == "." else word[:1].upper() + word[1:]
        for word in plain.split()
    )


@cache
def zones_by_name() -> dict[str, tuple[str, ...]]:
    """Return the time zones of each city and country, by its name in small letters without accents."""
    found: dict[str, tuple[str, ...]] = {}
    by_code: dict[str, list[str]] = {}
    for code, _, zone, *_ in _rows("zone.tab"):
        by_code.setdefault(code, []).append(zone)
        found[_plain(zone.rpartition("/")[2])] = (zone,)
    for code, country, *_ in _rows("iso3166.tab"):
        # In "Korea (South)" or "Britain (UK)" the brackets distinguish names, so skip these entries.
        if "(" not in country and code in by_code:
            found.setdefault(_plain(country), tuple(by_code[code]))
    for key, names in _OTHER_NAMES.items():
        for name in names.split(","):
            # Georgia is a country and a state: both times are told.
            found[name] = tuple(dict.fromkeys((*found.get(name, ()), *by_code.get(key, [key]))))
    return found


def _rows(table: str) -> list[list[str]]:
    text = resources.files("tzdata.zoneinfo").joinpath(table).read_text(encoding="utf-8")
    return [line.split("\t") for line in text.splitlines() if line and not line.startswith("#")]
