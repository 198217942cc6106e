"""Images and sounds inside JSON: decoded and compared as what one sees and hears, not byte by byte."""

from __future__ import annotations

import base64
import binascii
import io
from dataclasses import dataclass
from typing import Any

CLOSE = 0.02  # of full scale, on average: what another encoder or another GPU makes of the same picture or sound
SHORTEST = 60  # characters: no picture and no sound is smaller
IMAGES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"BM", b"II*\x00", b"MM\x00*")
SOUNDS = (b"fLaC", b"OggS", b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2")


@dataclass(frozen=True)
class Likeness:
    """How far two of a kind are apart, from 0 to 1 of full scale on average, and in a few words."""

    distance: float
    detail: str

    @property
    def close(self) -> bool:
        """Whether nobody would call them different."""
        return self.distance <= CLOSE


def compare_media(before: str, after: str) -> Likeness | None:
    """Two base64 texts, or data URLs, as the images or the sounds that they are.

    None when they are neither, or when nothing here can decode them (Pillow; numpy, and soundfile for anything but
    plain WAV).
    """
    old, new = _decoded(before), _decoded(after)
    kind = _kind(old)
    if not kind or kind != _kind(new):
        return None
    try:
        return _images(old, new) if kind == "image" else _sounds(old, new)
    except (ImportError, OSError, ValueError, EOFError, SyntaxError, RuntimeError):  # what decoders raise
        return None


def _decoded(text: str) -> bytes:
    if len(text) < SHORTEST:
        return b""
    data = text.partition(",")[2] if text.startswith("data:") else text
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _kind(content: bytes) -> str:
    if content[:4] == b"RIFF":
        return {b"WAVE": "sound", b"WEBP": "image"}.get(content[8:12], "")
    return "image" if content.startswith(IMAGES) else "sound" if content.startswith(SOUNDS) else ""


def _images(old: bytes, new: bytes) -> Likeness:
    from PIL import Image, ImageChops, ImageStat

    before, after = (Image.open(io.BytesIO(content)).convert("RGBA") for content in (old, new))
    size = f"{before.width}x{before.height}"
    if before.size != after.size:
        return Likeness(1.0, f"an image of {size} became one of {after.width}x{after.height}")
    apart = sum(ImageStat.Stat(ImageChops.difference(before, after)).mean) / 4 / 255
    return Likeness(apart, f"the image ({size}) differs by {apart:.1%} of full scale on average")


def _sounds(old: bytes, new: bytes) -> Likeness:
    import numpy

    (before, rate), (after, new_rate) = _samples(old), _samples(new)
    seconds, new_seconds = len(before) / rate, len(after) / new_rate
    if before.shape != after.shape or rate != new_rate:
        return Likeness(
            1.0, f"a sound of {seconds:.2f} s at {rate} Hz became one of {new_seconds:.2f} s at {new_rate} Hz"
        )
    apart = float(numpy.abs(before - after).mean()) if len(before) else 0.0
    return Likeness(apart, f"the sound ({seconds:.2f} s) differs by {apart:.1%} of full scale on average")


def _samples(content: bytes) -> tuple[Any, int]:
    """Samples from -1 to 1, an array of (frames, channels), and how many frames a second has."""
    import numpy

    if content[:4] != b"RIFF" or content[20:22] != b"\x01\x00":  # anything but integer samples
        import soundfile

        samples, rate = soundfile.read(io.BytesIO(content), always_2d=True)
        return samples, int(rate)
    import wave

    with wave.open(io.BytesIO(content)) as sound:
        width, channels = sound.getsampwidth(), sound.getnchannels()
        frames = numpy.frombuffer(sound.readframes(sound.getnframes()), dtype=numpy.uint8)
    if width == 1:
        flat = frames.astype(float) / 128 - 1
    else:  # little-endian, of two to four bytes: read as the upper ones of four
        padded = numpy.zeros((len(frames) // width, 4), dtype=numpy.uint8)
        padded[:, 4 - width :] = frames.reshape(-1, width)
        flat = padded.view("<i4").astype(float).ravel() / 2**31
    return flat.reshape(-1, channels), sound.getframerate()
