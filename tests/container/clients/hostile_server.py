"""An SMTP server on port 25 that defers every recipient, with a reply made to deceive who reads it.

Prints `listening`; ends with its standard input. The reply is its one argument, in Base64.
"""

import base64
import socketserver
import sys
import threading

REPLY = base64.b64decode(sys.argv[1])


class Session(socketserver.StreamRequestHandler):
    """One client."""

    def handle(self) -> None:
        """Answer until it leaves."""
        self.wfile.write(b"220 hostile.outside.test\r\n")
        for line in self.rfile:
            command = line[:4].upper()
            self.wfile.write(REPLY if command == b"RCPT" else b"250 ok\r\n")
            if command == b"QUIT":
                break


socketserver.ThreadingTCPServer.allow_reuse_address = True
with socketserver.ThreadingTCPServer(("", 25), Session) as server:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print("listening", flush=True)
    sys.stdin.read()
    server.shutdown()
