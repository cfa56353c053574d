"""In a relay action without `tls`, the first destination smtp+tls:// makes TLS a must for all others of
the action, until smtpd is started again."""

import time

from plain import CONF, Client, Server, logged, result, start, wait_for

server = Server()
Server(2526)
start(
    'table routes { "a.test" = "smtp+tls://127.0.0.1:2526", "b.test" = "smtp://127.0.0.1:2525" }\n'
    + CONF
    + 'action "out" relay domain <routes>\nmatch from any for any action "out"\n'
)


def delivered(to):
    before = len(logged(r"mta (?:delivery|error).*"))
    Client().send(to=to)
    wait_for(lambda: len(logged(r"mta (?:delivery|error).*")) > before, 10)
    time.sleep(1)
    return logged(r"mta (?:connecting|delivery|error).*")[before:]


first = delivered("x@b.test")
delivered("x@a.test")
last = delivered("x@b.test")
result(
    "b.test, by smtp://, is delivered before and after a mail for a.test, by smtp+tls://",
    f"before: {[one for one in first if 'result' in one]}\n          after: {last}",
)
