"""Regular expressions of filters: what they find, what they refuse, and that they cannot stall."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qtower.service.regexp_syntax import Characters
from qtower.service.regexps import RegexpError, compile_regexp, sql_function


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("bell", "my bell pair", True),
        ("bell", "BELL", False),
        ("^bell", "my bell", False),
        ("bell$", "my bell", True),
        ("^$", "", True),
        ("", "anything", True),
        ("^ERROR", "ERROR_RUNNING_JOB", True),
        ("a.c", "abc", True),
        ("a.c", "a\nc", False),
        ("a\\.c", "abc", False),
        ("^set_\\d+_$", "set_12_", True),
        ("^set_\\d+_$", "set_x_", False),
        ("(?i)Bell", "bELL", True),
        ("/Bell/i", "bELL", True),
        ("/Bell/", "Bell", True),
        ("[a-c]{2}$", "xab", True),
        ("^[^a-c]+$", "xyz", True),
        ("^(ab|cd)*e$", "abcdabe", True),
        ("^(?:ab|cd)+$", "abc", False),
        ("x{2,3}y", "xxy", True),
        ("^x{2,3}y", "xxxxy", False),
        ("colou?r", "color", True),
        ("\\bpair\\b", "bell pair 1", True),
        ("\\bpair\\b", "bell repairs", False),
        ("{", "a{b", True),
        ("[]a]", "]", True),
        ("ü+", "süüß", True),
        ("\\x41\\u00e9", "Aé", True),
        ("a*?b", "aab", True),
    ],
)
def test_finds_what_javascript_would(pattern: str, text: str, found: bool) -> None:
    assert compile_regexp(pattern).search(text) is found


@pytest.mark.parametrize(
    "pattern",
    [
        *("(", ")", "[a", "*", "a**", "(?=a)", "(?<!a)", "\\1", "a\\", "x{5,2}", "(x{900}){900}"),
        *("(" * 200 + ")" * 200, "a" * 2_000, "\\q", "[z-a]", "\\xzz"),
    ],
)
def test_refuses_with_a_reason(pattern: str) -> None:
    with pytest.raises(RegexpError, match=r"\w+ \w+"):
        compile_regexp(pattern)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("part", ["", "(?:)", "()|()"])
def test_what_is_empty_is_not_repeated_for_ever(part: str) -> None:
    nested = part
    for _ in range(8):  # 10**24 times
        nested = f"({nested}){{1000}}"
    with pytest.raises(RegexpError, match="too large"):
        compile_regexp(nested)
    assert compile_regexp("(((){20}){20}){20}x").search("x")


@pytest.mark.timeout(20)
def test_patterns_that_would_stall_a_backtracking_matcher_do_not() -> None:
    for pattern in ("(a+)+$", "^(a|a)*$", "^(.*a){12}$", "(a?){30}a{30}$", "(.*)*x"):
        assert compile_regexp(pattern).search("a" * 900 + "!") is False


def test_a_class_is_looked_through_once_for_each_character(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Of a class of hundreds of ranges, repeated hundreds of times, one text would take 8 s.
    asked: list[str] = []
    has = Characters.has

    def counted(characters: Characters, character: str) -> bool:
        asked.append(character)
        return has(characters, character)

    monkeypatch.setattr(Characters, "has", counted)
    assert compile_regexp("(?:[^abc]?){200}x").search("zyw" * 100) is False
    assert 0 < len(asked) <= 2 * 301  # two classes, and the end


@settings(deadline=None)
@given(st.text("ab|()*+?.^$[]", max_size=12), st.text("ab", max_size=8))
def test_agrees_with_python_where_both_understand(pattern: str, text: str) -> None:
    try:
        ours, theirs = compile_regexp(pattern), re.compile(pattern)
    except (RegexpError, re.error):
        return
    assert ours.search(text) == bool(theirs.search(text))


def test_in_sql_only_text_matches() -> None:
    assert sql_function("a", "abc") == 1
    assert sql_function("a", "xyz") == 0
    assert sql_function("a", None) is None
    assert sql_function("1", 1) is None
