"""Bodies as bytes, and how they look in a notebook."""

from __future__ import annotations

import json
import json.encoder

import pytest

from rp_notebook.jobs.posts import Post, _encoder, post_of


@pytest.mark.parametrize(
    ("post", "shown"),
    [
        (Post("stream", b"{}"), "Post(kind='stream', body=b'{}')"),
        (Post("done", b"{}", is_stream=True), "Post(kind='done', body=b'{}', is_stream=True)"),
        (Post("done", b"x" * 300), f"Post(kind='done', body={b'x' * 200!r}... (300 bytes))"),
    ],
    ids=["plain", "stream", "long"],
)
def test_a_post_is_shown_in_one_line(post: Post, shown: str) -> None:
    assert repr(post) == shown


def test_a_post_is_a_value_that_does_not_change() -> None:
    post = post_of("done", 1)
    assert {post, Post("done", b"1", is_stream=False, valid_json=True)} == {post}
    with pytest.raises(AttributeError):
        post.body = b"2"


@pytest.mark.parametrize(
    ("value", "body", "valid"),
    [
        ("hé\u2028", '"hé\u2028"', True),
        ({"a": float("nan"), "b": -float("inf")}, '{"a": NaN, "b": -Infinity}', False),
        ({float("nan"): 1}, '{"NaN": 1}', False),
        ({1: [None, True, (2,)]}, '{"1": [null, true, [2]]}', True),
    ],
    ids=["text", "not JSON", "not JSON as a key", "nested"],
)
def test_a_body_is_encoded_as_the_sdk_does(value: object, body: str, valid: bool) -> None:
    assert post_of("stream", value) == Post("stream", body.encode(), valid_json=valid)


@pytest.mark.parametrize("made", [None, lambda markers: None], ids=["none", "of other options"])
def test_a_python_with_another_encoder_in_c_writes_the_same_json(monkeypatch: pytest.MonkeyPatch, made) -> None:
    monkeypatch.setattr(json.encoder, "c_make_encoder", made)
    encode = _encoder(allow_nan=False)
    monkeypatch.undo()
    assert encode({"é": [1.5, None]}) == json.dumps({"é": [1.5, None]}, ensure_ascii=False)
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode(float("nan"))


@pytest.mark.parametrize("end", ["", '"', "\\", "\n", "\x7f", "é", "\u2028", "😀"], ids=ascii)
def test_a_long_text_is_encoded_as_any_other(end: str) -> None:
    text = "iVBORw0KGgo+/= " * 10_000 + end
    for value in (text, {"output": text}, {"output": {"a\n": [{"b": text, '"': "\t"}, text]}}, [["é", [[text]]], 1.5]):
        assert post_of("done", value).body == json.dumps(value, ensure_ascii=False).encode()
