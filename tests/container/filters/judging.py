"""In the place of the junk filter (`python -m entrypoint.junk`): a verdict by the subject alone.

A message is junk if its subject is "junk". What it was asked of each lies in /tmp/asked. Whom
accounts write to is taken down by the filter's own part.
"""

import asyncio
import os
from itertools import count
from pathlib import Path

from entrypoint.junk.written_to import receive_written_to

FOLDER = Path("/run/signpost/junk")
ASKED = Path("/tmp/asked")
numbers = count()


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    asked = await reader.read()
    new = ASKED / f".{next(numbers)}"
    new.write_bytes(asked)
    new.rename(ASKED / f"{os.getpid()}-{new.name[1:]}")
    junk = b"\nSubject: junk\n" in asked
    writer.write(b"yes score=9.9 threshold=5.0 (x)\n" if junk else b"no score=0.1 (x)\n")
    writer.close()


async def main() -> None:
    ASKED.mkdir(exist_ok=True)
    path = FOLDER / "verdict"
    path.unlink(missing_ok=True)
    server = await asyncio.start_unix_server(answer, path)
    path.chmod(0o660)
    await asyncio.gather(server.serve_forever(), receive_written_to(FOLDER / "written-to"))


if __name__ == "__main__":
    asyncio.run(main())
