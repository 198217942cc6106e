"""What looks like a secret, and what only resembles one."""

from __future__ import annotations

import pytest

from rp_notebook.jobs.masking import PART, has_shape, is_secret_name, masked, may_hold_secrets, scrubbed, secret_values

LETTERS = "a1B2c3D4e5F6" * 4
SHAPES = {
    "hugging face": f"hf_{LETTERS[:34]}",
    "openai": f"sk-proj-{LETTERS[:40]}",
    "anthropic": "sk-ant-api03-" + "a1-" * 9,
    "runpod": f"rpa_{LETTERS[:40]}",
    "aws": "AKIAIOSFODNN7EXAMPLE",
    "github": f"ghp_{LETTERS[:36]}",
    "github, fine": f"github_pat_11ABC_{LETTERS[:24]}",
    "gitlab": f"glpat-{LETTERS[:20]}",
    "slack": "xoxb-1234567890-abc",
    "google": f"AIza{LETTERS[:35]}",
    "stripe": f"sk_live_{LETTERS[:24]}",
    "groq": f"gsk_{LETTERS[:40]}",
    "nvidia": f"nvapi-{LETTERS[:40]}",
    "replicate": f"r8_{LETTERS[:37]}",
    "npm": f"npm_{LETTERS[:36]}",
    "langsmith": f"lsv2_pt_{LETTERS[:32]}",
    "sendgrid": f"SG.{LETTERS[:22]}.{LETTERS[:43]}",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NSJ9.abcDEF_123-x",
    "azure": f"AccountName=x;AccountKey={LETTERS[:44]}==",
    "bearer": "Authorization: Bearer abcdef1234567890abcdef",
    "url": "postgres://me:p4ss@db.example/x",
    "url without a user": "redis://:p4ss@cache:6379/0",
    "url with a token alone": "git+https://a1b2c3d4e5f6g7h8@git.example/x",
    "slack hook": "https://hooks.slack.com/services/T000/B000/abcdefabcdef",
    "key file": "-----BEGIN RSA PRIVATE KEY-----\nMIIEow1\n-----END RSA PRIVATE KEY-----",
}


def test_a_secret_is_found_however_deep_it_is_nested() -> None:
    deep: object = {"password": "shh-1234"}
    for _ in range(10_000):
        deep = [deep]
    found, paths = masked({"input": deep})
    inner = found["input"]
    while isinstance(inner, list):
        (inner,) = inner
    assert (inner, len(paths)) == ({"password": "***"}, 1)


@pytest.mark.parametrize("text", SHAPES.values(), ids=SHAPES)
def test_a_known_shape_is_found_anywhere_and_taken_out(text: str) -> None:
    around = f"first, {text} then"
    assert has_shape(text)
    assert has_shape(around)
    assert may_hold_secrets(around)
    assert text not in scrubbed(around)
    assert scrubbed(around).startswith("first, ")
    assert masked({"input": {"a": [text]}})[1] == ("input.a[0]",)


@pytest.mark.parametrize("text", SHAPES.values(), ids=SHAPES)
def test_a_shape_is_found_wherever_it_stands_in_a_long_text(text: str) -> None:
    for border in (PART, 2 * PART):
        for before in range(border - len(text) - 3, border + 3):
            around = f"{'x' * before} {text} {'x' * PART}"
            assert has_shape(around), before
    assert not has_shape("x" * 3 * PART)


def test_a_telling_key_and_a_known_secret_are_found_wherever_they_stand_in_a_long_text() -> None:
    for before in range(PART - 20, PART + 3):
        key = f"{'x' * before}PASSWORD{'x' * PART}"
        for around in (
            f'{{"{key}": 1}}',
            f'{{"{key}\\",x" : 1}}',
            f'{{"{key}" : 1}}',
            f'{{"{"x" * PART}", "{key}"\n:1}}',
        ):
            assert may_hold_secrets(around), before
        assert not may_hold_secrets(f'{{"x": ["{"x" * PART}{key}{"x" * PART}"]}}'), before
        assert may_hold_secrets(f"{'x' * before}plainvalue99{'x' * PART}", {"plainvalue99": "A"}), before
    assert not may_hold_secrets("x" * 3 * PART, {"plainvalue99": "A"})


@pytest.mark.parametrize(
    "text",
    [
        "https://example.org/a:b@c",
        "https://user@host/x",
        "http://localhost:8000/a and me@x.org",
        "task-1234567890123456789012345",
        "sk-learn-pipeline-with-a-long-name",
        "postgres://{user}:{password}@host",
        "https://$USER:$PASS@host",
        "https://me:***@host",
        "ssh://git@github.com:22/x",
        "hf_hub_download_something_long",
        "the bearer of this long-winded-letter",
        "a-b_c.d://e" * 50,
    ],
)
def test_what_only_resembles_a_shape_is_none(text: str) -> None:
    assert not has_shape(text)
    assert scrubbed(text) == text


def test_the_host_of_a_url_is_still_told() -> None:
    assert scrubbed("see postgres://me:p4ss@db.example/x") == "see postgres://***@db.example/x"


@pytest.mark.parametrize(
    "name",
    ["hf_token", "apiKey", "API_KEY", "password", "db_pwd", "aws_secret_access_key", "auth_key", "Authorization"],
)
def test_a_telling_name_is_a_secrets(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize("name", ["key", "eos_token", "pad_token", "max_tokens", "keyword", "tokenizer", "monkey"])
def test_a_name_that_only_sounds_so_is_not(name: str) -> None:
    assert not is_secret_name(name)


def test_a_secret_of_the_environment_is_one_by_its_value() -> None:
    known = secret_values(
        {"MY_TOKEN": "plainvalue99", "HOME_KEY": "/home/me", "PG_PASSWORD": "postgres", "N": "12345678"}
    )
    assert known == {"plainvalue99": "MY_TOKEN"}
    assert secret_values({"DB_PASS": "Plain-value-1", "DB_PW": "Plain-value-2", "N_PASSES": "Plain-value-3"}) == {
        "Plain-value-1": "DB_PASS",
        "Plain-value-2": "DB_PW",
    }
    without, paths = masked({"input": {"text": "say plainvalue99", "other": 1}}, known)
    assert (without, paths) == ({"input": {"text": "***", "other": 1}}, ("input.text",))
    assert may_hold_secrets('{"text": "say plainvalue99"}', known)
    assert not may_hold_secrets('{"text": "say nothing"}', known)


def test_a_secret_within_a_longer_one_leaves_no_rest_of_it() -> None:
    assert scrubbed("abcdefgh-tail", ["abcdefgh", "abcdefgh-tail"]) == "***"
