"""The guard in imsg_read() (EAGAIN where the table is full) never lets go in lookup: what would
close a descriptor there is an imsg, which is not read. And none is kept where it is needed:
dispatcher has no /proc in its chroot, loses the descriptor, and lookup's end of it is never
closed."""

import os
import resource

from plain import CONF, Client, pid, result, start, wait_for

FILTER = 'filter "f" proc-exec "/usr/bin/python3 /tmp/echo.py" user nobody group nogroup\n'
start(FILTER + CONF.replace('"mx.here.test"', '"mx.here.test" filter "f"'), limit="299:299")
resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))
lookup = pid("lookup")


def descriptors():
    return len(os.listdir(f"/proc/{lookup}/fd"))


def fill(most=120):
    sessions, refused = [], 0
    for _ in range(most):
        try:
            one = Client(wait=3)
        except OSError:
            break
        answer = one.begin()
        if answer.startswith("354"):
            sessions.append(one)
        elif answer == "no answer":
            break
        else:
            refused += 1
    return sessions, refused


before = descriptors()
sessions, refused = fill()
for one in sessions:
    one.close()
wait_for(lambda: descriptors() <= before, 3)
result(
    f"with all clients gone lookup has {before} descriptors again",
    f"{descriptors()}, after {refused} sessions that dispatcher, full, answered 421",
)
# As its own user, whom the kernel lets do that.
if os.fork() == 0:
    import pwd

    user = pwd.getpwnam("opensmtpd")
    os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
    os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
    resource.prlimit(lookup, resource.RLIMIT_NOFILE, (90, 299))
    os._exit(0)
os.wait()
sessions, _ = fill()
for one in sessions:
    one.close()
wait_for(lambda: descriptors() < 80, 5)
try:
    answer = Client(wait=5).say("NOOP")
except OSError as error:
    answer = f"no greeting ({error})"
with open(f"/proc/{lookup}/stat") as file:
    state = file.read().split()[2]
result(
    "lookup's table was full (90); all clients are gone, and the next is served",
    f"{answer}; lookup has {descriptors()} descriptors and is in state {state}, for good",
)
