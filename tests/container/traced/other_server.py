"""Another mail server, within Signpost's container: its replies name whom they are about.

Runs there, so it knows nothing of the tests. A recipient that begins with `gone` is refused, one
that begins with `busy` is to be tried again.
"""

import socketserver


class Session(socketserver.StreamRequestHandler):
    def say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())

    def handle(self) -> None:
        self.say("220 other.test")
        while line := self.rfile.readline().decode("latin-1").strip():
            verb = line[:4].upper()
            if verb == "RCPT":
                address = line[line.index("<") + 1 : line.index(">")]
                self.say(reply_to(address))
            elif verb == "DATA":
                self.say("354 go on")
                while self.rfile.readline() not in (b".\r\n", b""):
                    pass
                self.say("250 2.0.0 taken as 4711")
            elif verb == "QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 other.test")


def reply_to(address: str) -> str:
    local, _, domain = address.partition("@")
    if local.startswith("gone"):
        return f"550 5.1.1 <{address}>: no user {local} here; {local}={domain}, {local}%40{domain}"
    if local.startswith("busy"):
        return f"451 4.2.0 {local.upper()} is busy ({address})"
    return "250 2.1.5 fine"


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


Server(("127.0.0.1", 2525), Session).serve_forever()
