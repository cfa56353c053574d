"""In a relay action without `tls`, the first destination smtps:// (or smtp+tls://) makes TLS a
must for all others of the action, until smtpd is started again."""

from plain import CONF, Client, Server, logged, result, start, wait_for

for port in (2525, 2526, 2527):
    Server(port)
start(
    'table routes { "a.test" = "smtp://127.0.0.1:2525", "b.test" = "smtps://127.0.0.1:2526",'
    ' "c.test" = "smtp://127.0.0.1:2527" }\n'
    + CONF
    + 'action "out" relay domain <routes>\nmatch from any for any action "out"\n'
)


def delivery(to):
    """What is logged of the attempt, and of errors since it began."""
    errors = len(logged("mta error.*"))
    Client().send(to=to)
    wait_for(lambda: logged(rf"mta delivery .*to=<{to}>.*"), 15)
    return logged(rf"mta delivery .*to=<{to}>.*(result=.*)") + logged("mta error.*")[errors:]


first = delivery("x@a.test")
delivery("x@b.test")
result(
    "a.test and c.test, by smtp://, are delivered, whatever b.test, by smtps://, does between",
    f"a.test, before it: {first}\n          c.test, after it: {delivery('x@c.test')}",
)
