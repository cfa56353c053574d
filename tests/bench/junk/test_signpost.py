"""Signpost's own filter as the comparison's command."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from bench.junk.command import Command
from bench.junk.corpus.files import write
from bench.junk.corpus.make import part_of_corpus
from bench.junk.listed import Listed

pytestmark = pytest.mark.skipif(not shutil.which("bogofilter"), reason="needs bogofilter")


def test_it_learns_and_scores(tmp_path: Path) -> None:
    lessons = list(part_of_corpus(11, "train"))
    few = [each for each in lessons if each.spam][:50] + [each for each in lessons if not each.spam]
    train = Listed.read(write(tmp_path, "train", few[:150]))
    test = Listed.read(write(tmp_path, "test", list(part_of_corpus(11, "test"))[:60]))
    ours = Command("Signpost", f"{sys.executable} -m bench.junk.signpost")
    with ours.session():
        ours.train(train)
        scores = ours.score(test)
    spam = [score for score, one in zip(scores, test, strict=True) if one.spam]
    ham = [score for score, one in zip(scores, test, strict=True) if not one.spam]
    assert sum(spam) / len(spam) > 2
    assert sum(ham) / len(ham) < 0
    assert any(ours.verdicts)
    assert not any(junk for junk, one in zip(ours.verdicts, test, strict=True) if not one.spam)
