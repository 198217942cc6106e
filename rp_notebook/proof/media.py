"""Images and sounds inside JSON: decoded and compared as what one sees and hears, not byte by byte."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

from rp_notebook.jobs.media import media_of

CLOSE = 0.02  # of full scale, on average: what another encoder or another GPU makes of the same picture or sound


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
    old, new = media_of(before), media_of(after)
    if old is None or new is None or old.kind != new.kind or old.kind == "video":
        return None
    try:
        return (_images if old.kind == "image" else _sounds)(old.content, new.content)
    except (ImportError, OSError, ValueError, EOFError, SyntaxError, RuntimeError):  # what decoders raise
        return None


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
