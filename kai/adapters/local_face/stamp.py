"""Whether the local face is to wear the test marks of `kai.media.stamp`: ``KAI_TEST_MARKS=1`` asks for them."""

from __future__ import annotations

import os

from kai.media.stamp import BLOCK_HEIGHT_PX, BLOCKS, CLICK_HZ, CLICK_SAMPLES, add_click, put_stamp, read_stamp

__all__ = [
    "BLOCKS",
    "BLOCK_HEIGHT_PX",
    "CLICK_HZ",
    "CLICK_SAMPLES",
    "add_click",
    "is_wanted",
    "put_stamp",
    "read_stamp",
]


def is_wanted() -> bool:
    """Whether ``KAI_TEST_MARKS`` asks for marks."""
    return os.environ.get("KAI_TEST_MARKS") == "1"
