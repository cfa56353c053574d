"""srs_encode() returns its argument (or a part of it) where the result does not fit;
mta_session.c frees that, and copies it then: MAIL FROM has freed memory."""

from plain import CONF, Client, Server, result, start, wait_for

server = Server()
start(
    "srs key aaaaaaaaaaaaaaaa\n"
    + CONF.replace('{ "someone" = "vault" }', '{ "someone" = "x@away.test" }')
    + 'action "out" relay host "smtp://127.0.0.1:2525" srs\n'
    'match from any for domain "away.test" action "out"\n'
)
sender = "s" * 64 + "@" + ".".join(["d" * 59] * 3) + ".test"
print(Client().send(sender=sender))
found = wait_for(lambda: [line for line in server.said if line.startswith(b"MAIL")])
result(f"MAIL FROM:<{sender}> or a rewritten one", found)
