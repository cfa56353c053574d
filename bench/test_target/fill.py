"""Many messages for a store that no one has opened: `python -m bench.test_target.fill DB COUNT`."""

import asyncio
import os
import sys
from pathlib import Path

from bench.target import fill
from entrypoint.test_target.store.mailbox import Mailbox


async def main(path: Path, count: int) -> None:
    mailbox = Mailbox(path)
    await fill(mailbox, iter(range(count)))
    while await mailbox.index_lag():
        await asyncio.sleep(0.1)
    mailbox.close()
    owner = path.parent.stat()
    for file in path.parent.iterdir():
        os.chown(file, owner.st_uid, owner.st_gid)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
