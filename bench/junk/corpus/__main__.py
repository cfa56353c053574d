"""`python -m bench.junk.corpus SEED FOLDER`: the messages of a seed as files, with their facts.

FOLDER/train.jsonl and FOLDER/test.jsonl have a line a message: path, label, kind, topic, language
and facts; the messages are in FOLDER/train and FOLDER/test, in files that do not tell the label.
"""

from __future__ import annotations

import sys
from pathlib import Path

from bench.junk.corpus.files import write
from bench.junk.corpus.make import part_of_corpus

if len(sys.argv) != 3 or not sys.argv[1].isdigit():
    sys.exit(__doc__)
for name in ("train", "test"):
    write(Path(sys.argv[2]), name, part_of_corpus(int(sys.argv[1]), name))
