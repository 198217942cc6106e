"""An answer as a person would want it, in HTML and in text, and never as somebody else's markup."""

from __future__ import annotations

import base64
import io
import json
import math
import wave
from html.parser import HTMLParser

import pytest

from rp_notebook.jobs.handler import as_handler
from rp_notebook.jobs.media import media_of
from rp_notebook.jobs.running import run_job
from rp_notebook.panel import result
from rp_notebook.panel.preview import WIDTH, duration, preview
from rp_notebook.panel.values import SAVED, Allowance, value_html

HOSTILE = "<img src=x onerror=alert(1)>\"'</pre><script>alert(2)</script>"


def base64_of(content: bytes) -> str:
    return base64.b64encode(content).decode()


def picture(width: int = 20, height: int = 20, kind: str = "PNG", *, noise: bool = False) -> bytes:
    import os

    from PIL import Image

    image = Image.frombytes(
        "RGB", (width, height), os.urandom(width * height * 3) if noise else bytes(width * height * 3)
    )
    drawn = io.BytesIO()
    image.save(drawn, kind)
    return drawn.getvalue()


def sound(seconds: float, rate: int = 8000) -> bytes:
    written = io.BytesIO()
    with wave.open(written, "wb") as out:
        out.setparams((1, 2, rate, 0, "NONE", ""))
        out.writeframes(bytes(int(2 * rate * seconds)))
    return written.getvalue()


def html(value: object) -> str:
    return value_html(json.loads(json.dumps(value)), Allowance())


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "BMP"])
@pytest.mark.parametrize("prefix", ["", "data:image/whatever;base64,"], ids=["bare", "data URL"])
def test_a_picture_is_shown_whatever_it_is_declared_to_be(kind: str, prefix: str) -> None:
    shown = html({"image": prefix + base64_of(picture(kind=kind))})
    assert f'src="data:image/{kind.lower()};base64,' in shown
    assert f"{kind} image" in shown
    assert f"{kind} image" in preview({"image": base64_of(picture(kind=kind))})


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF"])
def test_the_size_of_a_picture_is_told(kind: str) -> None:
    media = media_of(picture(321, 45, kind))
    assert media is not None
    assert media.pixels == (321, 45)


def test_sounds_and_films_get_a_player() -> None:
    film = b"\0\0\0\x20ftypisom" + bytes(100)
    shown = html({"a": base64_of(sound(0.5)), "b": base64_of(film)})
    assert '<audio class="rpn-media" controls' in shown
    assert '<video class="rpn-media" controls' in shown


@pytest.mark.parametrize(
    "value",
    [base64_of(picture(700, 700, noise=True)), base64_of(sound(60)), [base64_of(picture(200, 200, noise=True))] * 20],
    ids=["picture", "sound", "many"],
)
def test_no_output_saves_much_in_the_notebook(value: object) -> None:
    shown = html({"it": value})
    assert len(shown) < 2 * SAVED
    assert "data:" in shown
    assert "shown smaller" in shown or "its beginning" in shown or "not shown" in shown


def test_arrays_of_pixels_are_pictures() -> None:
    from PIL import Image

    red = [[[255, 0, 0]] * 40 for _ in range(30)]
    grey = [[column % 256 for column in range(600)] for _ in range(20)]
    for value, size, pixel in ((red, (40, 30), (255, 0, 0)), (grey, (200, 7), (3, 3, 3))):
        content = base64.b64decode(html(value).split("base64,")[1].split('"')[0])
        image = Image.open(io.BytesIO(content)).convert("RGB")
        assert (image.size, image.getpixel((1, 1))) == (size, pixel)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([0.5] * 64, "64 numbers, norm 4: 0.5, 0.5, 0.5, 0.5, …"),
        ([[3.0, 4.0] + [0.0] * 62] * 3, "3 × 64 numbers, norm 5: 3, 4, 0, 0, …"),
        (list(range(40)), "40 integers, 0 to 39: 0, 1, 2, 3, …"),
        ([1e308] * 20, "20 numbers, norm inf: 1e+308"),
        ([math.nan] + [0.0] * 20, "21 numbers, norm nan: nan"),
    ],
    ids=["vector", "matrix", "integers", "huge", "NaN"],
)
def test_embeddings_are_their_shape_norm_and_first_values(value: object, said: str) -> None:
    assert said in html({"embedding": value})
    assert said in preview({"embedding": value})
    assert preview(value).startswith(said[:20])


@pytest.mark.parametrize(
    "value",
    [
        [{"label": "cat", "score": 0.5}, {"label": "dog", "score": 0.25}],
        {"label": ["cat", "dog"], "score": [0.5, 0.25]},
        {"index": [0, 1], "columns": ["label", "score"], "data": [["cat", 0.5], ["dog", 0.25]]},
    ],
    ids=["records", "columns", "split"],
)
def test_tables_are_tables(value: object) -> None:
    shown = html(value)
    assert '<th scope="col">label</th><th scope="col">score</th>' in shown
    assert '<tr><td>dog</td><td class="rpn-num">0.25</td></tr>' in shown
    assert preview(value).splitlines() == ["label  score", "cat    0.5", "dog    0.25"]


@pytest.mark.parametrize(
    "value",
    [
        *([{"a": 1}], [{"a": 1}, 2], {"a": [1, 2], "b": [1]}, [{"a": "x" * 500}, {"a": 1}], [{}, {}], {"columns": []}),
        *({"columns": ["a"], "data": [[1, 2]]}, [[1, 2], [3, 4]], [[[1]]], [[], []], [[[]]], [{"a": {}}, {"a": {}}]),
        *(["a"] * 20, [True] * 20, [[0.0] * 16, "x"], [[0.0] * 16, [0.0] * 15], [[[1, 2, 3]] * 16] * 15 + [[1] * 16]),
    ],
    ids=repr,
)
def test_what_is_none_of_these_is_a_tree(value: object) -> None:
    shown = html(value)
    assert 'class="rpn-tree"' in shown
    assert "<td" not in shown
    assert preview(value)


def test_large_trees_and_long_texts_are_cut_and_say_so() -> None:
    wide = {f"key{i}": {str(j): "x" for j in range(60)} for i in range(60)}
    deep: object = 1
    for _ in range(60):
        deep = [deep, 0]
    for value in (wide, deep, {"text": "y" * 100_000}, "z" * 100_000):
        assert len(html(value)) < 100_000
        assert "…" in html(value)
        assert len(preview(value)) < 100_000


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.attributes |= {name for name, _ in attrs}


@pytest.mark.parametrize(
    "value",
    [
        *(HOSTILE, [HOSTILE], {HOSTILE: HOSTILE}, {HOSTILE: [{HOSTILE: HOSTILE}] * 2}, {HOSTILE: {HOSTILE: "x" * 300}}),
        *({HOSTILE: [1, 2], "b": [HOSTILE, HOSTILE]}, {"columns": [HOSTILE], "data": [[HOSTILE]]}),
        {"a": f"data:{HOSTILE};base64," + base64_of(picture())},
        {"error": HOSTILE, "x": 1},
    ],
    ids=range(9),
)
def test_an_answer_brings_no_markup_of_its_own(value: object) -> None:
    record = run_job(as_handler(lambda job: value, name=HOSTILE), 1)
    tags = Tags()
    tags.feed(result.html(record).partition("</style>")[2])
    assert not tags.seen & {"script", "iframe", "a", "form"}
    assert not {name for name in tags.attributes if name.startswith("on")}
    assert "x" not in {source for source in tags.attributes if source == "x"}


@pytest.mark.parametrize(
    "value", ["\ud800", {"\ud800": ["\ud800"]}, "\x1b[2J\x07\x9b2J\rover", ["\x1b]0;title\x07"]], ids=ascii
)
@pytest.mark.parametrize("ending", ["returned", "raised", "streamed"])
def test_what_no_message_and_no_terminal_takes_is_shown_as_text(value: object, ending: str) -> None:
    def answer(job):
        if ending == "raised":
            raise ValueError(value)
        return value

    def stream(job):
        yield value

    record = run_job(stream if ending == "streamed" else answer, 1)
    shown = result.text(record)
    assert (shown + result.html(record)).encode()
    assert not [char for char in shown if (ord(char) < 32 and char != "\n") or 127 <= ord(char) < 160]


def test_how_long_something_took_is_told_in_the_unit_that_fits() -> None:
    told = ["0.2 ms", "812 ms", "3.4 s", "99.9 s", "412 s", "20 min"]
    assert [duration(ms) for ms in (0.21, 812.4, 3_412, 99_900, 412_300, 1_203_000)] == told


def test_numbers_and_names_of_any_length_are_cut() -> None:
    record = run_job(lambda job: {"k" * 50_000: 10**4000, "n": [10**400] * 20}, 1)
    assert "100000000000000000000000… (4,001 digits)" in result.text(record)
    assert "(401 digits)" in result.text(record)
    for shown in (result.text(record), result.html(record).partition("</style>")[2]):
        assert len(shown) < 3000


def test_a_large_answer_names_its_largest_fields() -> None:
    record = run_job(lambda job: {"images": ["i" * 3_000_000] * 2, "mask": "m" * 1_000_000, "seed": 7}, 1)
    said = "largest: output.images[] 6.0 MB (86%), output.mask 1.0 MB (14%)"
    assert said in result.text(record)
    assert said in result.html(record)
    assert "70% of 10 MB /run" in result.html(record)
    assert "35% of 20 MB /runsync" in result.html(record)


def test_text_says_the_same_in_eighty_columns() -> None:
    rows = [{"label": "l" * 60, "text": "t" * 60, "score": 0.123456789}] * 20
    record = run_job(lambda job: rows, {"id": "j" * 36, "input": 1})
    shown = result.text(record)
    assert max(map(len, shown.splitlines())) <= WIDTH
    assert "/run [··········] 0% of 10 MB  /runsync [··········] 0% of 20 MB" in shown
    assert "… 8 more rows" in shown


def test_streamed_text_is_joined_and_the_largest_item_measured() -> None:
    def talk(job):
        yield from ("Hello ", "world")

    record = run_job(talk, 1)
    assert "streamed 2 items:\nHello world" in result.text(record)
    assert '<pre class="rpn-text">Hello world</pre>' in result.html(record)
    assert "0% of 1 MB largest item" in result.html(record)


def test_a_lost_answer_shows_what_nobody_gets() -> None:
    import numpy
    from PIL import Image

    red = Image.new("RGB", (40, 30), (255, 0, 0))
    answer = {
        "picture": red,
        "raw": sound(0.1),
        "pixels": numpy.zeros((600, 300, 3), numpy.uint8),
        "embedding": numpy.full(64, 0.5),
        "large": numpy.zeros((1000, 1000)),
        "score": numpy.float32(0.5),
        "tags": {"a"},
        "other": object(),
        HOSTILE: HOSTILE,
    }
    record = run_job(lambda job: answer, 1)
    assert record.outcome == "LOST"
    shown = result.html(record)
    assert shown.count('<img class="rpn-media"') == 2
    assert "<audio" in shown
    assert "PNG image, 40 × 30" in shown
    assert "PNG image, 100 × 200" in shown
    for said in ("64 numbers, norm 4", "‹numpy.ndarray 1000 × 1000 float64›", "‹object›"):
        assert said in result.text(record)
        assert said in shown
    assert "<script" not in shown
    assert "what the handler returned, and nobody gets" in result.text(record)


def test_a_lost_answer_of_any_depth_keeps_the_kernel_and_no_memory() -> None:
    circle: list = []
    circle.append(circle)
    for value in (circle, {"b": bytes(5_000_000)}, {1: {2, 3}}, [object()] * 10_000):
        record = run_job(lambda job, value=value: value, 1)
        assert record.outcome == "LOST"
        assert len(repr(record.unsent)) < 10_000
        assert result.html(record)
