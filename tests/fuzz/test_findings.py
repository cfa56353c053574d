"""What fuzzing has found stays found; and its properties hold for a few random bytes every time."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.properties import CHECKS, check

FINDINGS = sorted(path for path in (Path(__file__).parent / "findings").iterdir())


@pytest.mark.parametrize("path", FINDINGS, ids=lambda path: path.name)
def test_finding(path: Path) -> None:
    check(path.read_bytes())


@pytest.mark.parametrize("property_", CHECKS, ids=lambda property_: property_.__name__)
@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(b'\0.\r\n|: \t\xff;=<>@"a0\\()'), max_size=80).map(bytes))
def test_property(property_: Callable[[bytes], None], soup: bytes) -> None:
    property_(soup)
