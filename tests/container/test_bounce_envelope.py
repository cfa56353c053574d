"""A bounce's envelope on a disk that does not take it, as smtpd's queue process writes it: what is
there afterwards, down to the ways out that no whole server comes to. One process, called smtpd.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from .harness.shell import run
from .harness.signpost import IMAGE

LIBRARY = "/usr/local/libexec/bounce_envelope.so"
FOLDER, OTHER = "/queue/ab/abcdef01", "/queue/ab/abcdef02"
OLD = f"{FOLDER}/abcdef0100000001"
# As fsqueue_envelope_create and queue_fs_envelope_delete in queue_fs.c have it; then a case.
SMTPD = r"""
import ctypes, errno, json, os, pathlib, resource, sys

libc = ctypes.CDLL(None, use_errno=True)
libc.fdopen.restype = ctypes.c_void_p
libc.fclose.argtypes = libc.fflush.argtypes = [ctypes.c_void_p]
libc.fwrite.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_void_p]
FOLDER, OTHER = "/queue/ab/abcdef01", "/queue/ab/abcdef02"
OLD, NEXT = f"{FOLDER}/abcdef0100000001", f"{FOLDER}/abcdef0100000002"
results = {}

def dump(path, text):
    fd = libc.open(path.encode(), os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    if fd != -1:
        file = libc.fdopen(fd, b"w")
        written = libc.fwrite(text.encode(), 1, len(text), file) == len(text)
        written = written and libc.fflush(file) == 0
        if libc.fclose(file) == 0 and written:
            return True
    libc.unlink(path.encode())
    return False

def create(text, folder=FOLDER):
    for number in range(20):
        path = f"{folder}/{folder[-8:]}000001{number:02x}"
        if dump(path, text):
            return path
    return None

def delete(path):
    result = libc.unlink(path.encode())
    return errno.errorcode[ctypes.get_errno()] if result else "gone"

def update():
    return dump("/incoming/envelope.tmp", "type: mta\nretry: 1\n")

def fill(kind):
    if kind == "blocks":
        with open("/queue/filled", "wb", 0) as file:
            try:
                while file.write(bytes(4096)):
                    pass
            except OSError:
                pass
    for number in range(1000 if kind == "inodes" else 0):
        try:
            pathlib.Path(f"/queue/filled.{number}").touch()
        except OSError:
            break

os.makedirs(FOLDER), os.makedirs(OTHER), os.makedirs("/incoming", exist_ok=True)
for path in (OLD, NEXT, f"{OTHER}/abcdef0200000001"):
    pathlib.Path(path).write_text("type: mta\nwho: " + path[-1] + "\n" * 60)
before = os.stat(OLD).st_ino
exec(sys.argv[1])
found = {}
for folder in (FOLDER, OTHER):
    for path in sorted(pathlib.Path(folder).iterdir()):
        found[str(path)] = [path.read_text().strip(), os.stat(path).st_ino == before]
results["open"] = [os.readlink(f"/proc/self/fd/{fd}") for fd in range(3, 64)
                   if os.path.lexists(f"/proc/self/fd/{fd}")]
print(json.dumps({"found": found, **results}))
"""
BOUNCE = "type: bounce\\nerrorline: 550 no\\nbounce-type: failed\\n"
BOUNCED = BOUNCE.replace("\\n", "\n").strip()
DELAYED = "type: bounce\\nbounce-type: delayed\\n"
LONG = f"type: bounce\\nerrorline: {'x' * 6000}\\n"
REFUSED = f"results['bounce'] = create('{BOUNCE}'); results['delete'] = delete(OLD)\n"
UNTOUCHED = ["type: mta\nwho: 1", True]


def ask(case: str, name: str = "smtpd") -> dict[str, Any]:
    script = f'exec env LD_PRELOAD={LIBRARY} bash -c \'exec -a "$0" python3 -c "$1" "$2"\' "$@"'
    command = ("docker", "run", "--rm", "--network", "none")
    disk = ("--tmpfs", "/queue:size=64k,nr_inodes=20", "--entrypoint", "sh", IMAGE)
    found: dict[str, Any] = json.loads(run(*command, *disk, "-c", script, "sh", name, SMTPD, case))
    assert not [path for path in found["open"] if "memfd" in path]
    return found


@pytest.mark.parametrize("kind", ["none", "blocks", "inodes"])
def test_the_bounce_is_on_the_disk_and_the_message_is_not(target_image: None, kind: str) -> None:
    told = ask(f"fill('{kind}')\n{REFUSED}")
    assert told["delete"] == "gone"
    assert OLD not in told["found"]
    # Only without room it is the old file.
    assert told["found"][told["bounce"]] == [BOUNCED, kind != "none"]
    assert len(told["found"]) == 3


def test_every_recipient_has_one_and_others_have_none(target_image: None) -> None:
    other = f"{OTHER}/abcdef0200000001"
    told = ask(
        f"fill('blocks')\n{REFUSED}results['delivered'] = delete('{other}')\n"
        f"results['next'] = create('{BOUNCE}'); results['gone'] = delete(NEXT)\n"
    )
    assert (told["delete"], told["delivered"], told["gone"]) == ("gone", "gone", "gone")
    assert told["bounce"] != told["next"]
    assert set(told["found"]) == {told["bounce"], told["next"]}
    assert {text for text, _ in told["found"].values()} == {BOUNCED}


def test_only_its_own_message_makes_room_for_it(target_image: None) -> None:
    other = f"{OTHER}/abcdef0200000001"
    told = ask(f"fill('blocks')\ncreate('{BOUNCE}'); results['delete'] = delete('{other}')\n")
    assert told["delete"] == "gone"
    assert told["found"][OLD] == UNTOUCHED
    assert len(told["found"]) == 2


def test_a_message_that_was_removed_has_no_bounce(target_image: None) -> None:
    told = ask(f"import shutil; shutil.rmtree(FOLDER)\n{REFUSED}os.mkdir(FOLDER)\n")
    assert (told["bounce"], told["delete"]) == (None, "ENOENT")


def test_what_does_not_fit_leaves_the_old_envelope_as_it_was(target_image: None) -> None:
    told = ask(f"fill('blocks')\n{REFUSED.replace(BOUNCE, LONG)}")
    assert told["delete"] == "gone"
    assert told["found"][told["bounce"]] == UNTOUCHED


def test_a_warning_of_a_delay_takes_no_message_away(target_image: None) -> None:
    told = ask(
        f"fill('blocks')\nresults['bounce'] = create('{DELAYED}'); update()\n"
        "results['kept'] = os.path.exists(OLD); results['delete'] = delete(OLD)\n"
    )
    assert told["bounce"] is None
    assert told["kept"] is True
    assert told["delete"] == "gone"  # it was delivered later
    assert len(told["found"]) == 2


def test_a_message_stays_that_nobody_can_be_told_of(target_image: None) -> None:
    few = "resource.setrlimit(resource.RLIMIT_NOFILE, (3, 64)); libc.unlink(b'/none')\n"
    again = "resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))\n"
    told = ask(f"{few}{REFUSED}{again}")
    assert (told["bounce"], told["delete"]) == (None, "ENOSPC")
    assert told["found"][OLD] == UNTOUCHED


def test_another_program_is_left_alone(target_image: None) -> None:
    told = ask(f"fill('inodes')\n{REFUSED}", "python3")
    assert (told["bounce"], told["delete"]) == (None, "gone")
    assert len(told["found"]) == 2
