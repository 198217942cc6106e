"""Images and sounds in JSON are compared as what they show and sound like."""

from __future__ import annotations

import base64
import io
import math
import struct
import wave

import pytest
from PIL import Image

from rp_notebook.proof.comparison import compare_values
from rp_notebook.proof.media import compare_media


def image(colour=(200, 30, 30), *, size=(64, 48), kind="PNG", **options) -> str:
    picture = Image.new("RGB", size, colour)
    for x in range(size[0]):
        picture.putpixel((x, x % size[1]), (x * 3 % 256, 90, 10))
    written = io.BytesIO()
    picture.save(written, kind, **options)
    return base64.b64encode(written.getvalue()).decode()


def sound(pitch=440.0, *, seconds=0.1, width=2, rate=8000, gain=0.5) -> str:
    full = 2 ** (8 * width - 1) - 1
    values = [round(gain * full * math.sin(2 * math.pi * pitch * n / rate)) for n in range(int(seconds * rate))]
    written = io.BytesIO()
    with wave.open(written, "wb") as file:
        file.setparams((1, width, rate, 0, "NONE", ""))
        offset = 128 if width == 1 else 0
        form = {1: "<B", 2: "<h", 4: "<i"}
        frames = (
            (value.to_bytes(3, "little", signed=True) if width == 3 else struct.pack(form[width], value + offset))
            for value in values
        )
        file.writeframes(b"".join(frames))
    return base64.b64encode(written.getvalue()).decode()


@pytest.mark.parametrize(
    ("before", "after", "likeness"),
    [
        (image(), image(compress_level=0), "same"),
        (image(), "data:image/png;base64," + image(compress_level=0), "same"),
        (image(kind="JPEG", quality=95), image(kind="JPEG", quality=80), "close"),
        (image(), image(kind="WEBP", quality=95), "close"),
        (image(), image((30, 30, 200)), "different"),
        (image(), image(size=(32, 48)), "different"),
        (sound(), sound(gain=0.5001), "close"),
        (sound(width=1), sound(width=1, gain=0.51), "close"),
        (sound(width=3), sound(width=4), "close"),
        (sound(), sound(660), "different"),
        (sound(), sound(seconds=0.2), "different"),
        (image(), sound(), "different"),
        ("a" * 80, "b" * 80, "different"),
        ("x", "y", "different"),
    ],
    ids=str,
)
def test_media_are_as_alike_as_they_look_and_sound(before, after, likeness) -> None:
    found = compare_values({"image": before}, {"image": after}, "output")
    assert found.likeness == likeness, found.detail


def test_what_differs_is_said_in_words() -> None:
    assert compare_media(image(), image(size=(32, 48))).detail == "an image of 64x48 became one of 32x48"
    assert compare_media(sound(), sound(seconds=0.2)).detail == (
        "a sound of 0.10 s at 8000 Hz became one of 0.20 s at 8000 Hz"
    )
    told = compare_values({"image": image()}, {"image": image((30, 30, 200))}, "output").detail
    assert told.startswith("output.image: the image (64x48) differs by")


@pytest.mark.parametrize("text", [image()[:100], "data:image/png;base64,AAAA", "not base64 at all " * 9])
def test_what_cannot_be_decoded_is_compared_as_text(text) -> None:
    assert compare_media(text, image()) is None
    assert compare_media(image(), text) is None
