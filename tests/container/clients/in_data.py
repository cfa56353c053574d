"""Opens sessions up to the middle of DATA, until so many have been tried or one gets no answer.

    python3 in_data.py PORT COUNT end|leave

Then it ends each message, or leaves. Prints a line of JSON: how many are in DATA, what the others
were refused with, and the replies to the messages, each with the count.
"""

import collections
import json
import resource
import socket
import sys

PORT, COUNT, THEN = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
ANSWERED_WITHIN = 5.0  # a server that does not read answers nobody
COMMANDS = (
    (b"HELO client.test", "250"),
    (b"MAIL FROM:<sender@client.test>", "250"),
    (b"RCPT TO:<someone@here.test>", "250"),
    (b"DATA", "354"),
)


class Session:
    def __init__(self) -> None:
        self.link = socket.create_connection(("127.0.0.1", PORT), ANSWERED_WITHIN)
        self.stream = self.link.makefile("rb")

    def reply(self) -> str:
        try:
            return self.stream.readline()[:3].decode() or "the end"
        except OSError:
            return "nothing"

    def say(self, line: bytes) -> str:
        try:
            self.link.sendall(line + b"\r\n")
        except OSError:
            return "the end"
        return self.reply()

    def refusal(self) -> str:
        """Empty where DATA is accepted."""
        if (code := self.reply()) != "220":
            return f"connect: {code}"
        for command, right in COMMANDS:
            if (code := self.say(command)) != right:
                return f"{command[:4].decode()}: {code}"
        self.link.sendall(b"From: sender@client.test\r\nSubject: x\r\n\r\ntext\r\n")
        return ""


def main() -> None:
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    in_data, others = [], []
    refused: collections.Counter[str] = collections.Counter()
    for _ in range(COUNT):
        session = Session()
        if refusal := session.refusal():
            refused[refusal] += 1
            others.append(session)  # and stays, as long as the rest
            if refusal.endswith("nothing"):
                break
        else:
            in_data.append(session)
    replies = collections.Counter(one.say(b".") for one in in_data if THEN == "end")
    print(json.dumps({"in_data": len(in_data), "refused": refused, "replies": replies}))


main()
