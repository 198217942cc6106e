"""Pictures, sounds and films inside JSON: known by their first bytes, whatever they are declared to be."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Literal

Kind = Literal["image", "audio", "video"]

SHORTEST = 60  # characters: no picture and no sound is smaller
HEAD = 64  # characters of base64 that tell what the rest is
STARTS: tuple[tuple[bytes, Kind, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "image", "png"),
    (b"\xff\xd8\xff", "image", "jpeg"),
    (b"GIF8", "image", "gif"),
    (b"BM", "image", "bmp"),
    (b"II*\x00", "image", "tiff"),
    (b"MM\x00*", "image", "tiff"),
    (b"fLaC", "audio", "flac"),
    (b"OggS", "audio", "ogg"),
    (b"ID3", "audio", "mpeg"),
    (b"\xff\xfb", "audio", "mpeg"),
    (b"\xff\xf3", "audio", "mpeg"),
    (b"\xff\xf2", "audio", "mpeg"),
    (b"\x1a\x45\xdf\xa3", "video", "webm"),
)
RIFF: dict[bytes, tuple[Kind, str]] = {b"WAVE": ("audio", "wav"), b"WEBP": ("image", "webp")}
BRANDS: dict[bytes, tuple[Kind, str]] = {b"avif": ("image", "avif"), b"M4A ": ("audio", "mp4")}
FRAMES = (*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0))  # of a JPEG, with its size


@dataclass(frozen=True)
class Media:
    """An encoded picture, sound or film; `format` is the second half of its MIME type."""

    kind: Kind
    format: str
    content: bytes

    @property
    def mime(self) -> str:
        """As `image/png`."""
        return f"{self.kind}/{self.format}"

    @property
    def pixels(self) -> tuple[int, int] | None:
        """Width and height of a picture whose header is read here (PNG, GIF, JPEG)."""
        head = self.content
        if self.format == "png" and len(head) >= 24:
            return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
        if self.format == "gif" and len(head) >= 10:
            return int.from_bytes(head[6:8], "little"), int.from_bytes(head[8:10], "little")
        return _jpeg_pixels(head) if self.format == "jpeg" else None


def media_of(value: str | bytes) -> Media | None:
    """What a base64 text, a data URL or bytes show or sound like; None when they are nothing of the kind."""
    if isinstance(value, bytes):
        known = known_as(value)
        return None if known is None else Media(*known, value)
    if len(value) < SHORTEST:
        return None
    start = value.find(",", 0, 200) + 1 if value.startswith("data:") else 0
    try:
        if known_as(base64.b64decode(value[start : start + HEAD])) is None:
            return None
        return media_of(base64.b64decode(value[start:] if start else value, validate=True))
    except (binascii.Error, ValueError):
        return None


def known_as(content: bytes) -> tuple[Kind, str] | None:
    """The kind and format of encoded media, by its first bytes."""
    if content[:4] == b"RIFF":
        return RIFF.get(content[8:12])
    if content[4:8] == b"ftyp":
        return BRANDS.get(content[8:12], ("video", "mp4"))
    return next(((kind, name) for start, kind, name in STARTS if content.startswith(start)), None)


def _jpeg_pixels(content: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 < len(content) and content[at] == 0xFF:
        if content[at + 1] in FRAMES:
            return int.from_bytes(content[at + 7 : at + 9], "big"), int.from_bytes(content[at + 5 : at + 7], "big")
        at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    return None
