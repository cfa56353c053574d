"""Many say AUTH at once on 465; meanwhile one asks port 25 for a recipient, again and again.

    python3 - HOST COUNT JSON <this; JSON: login, password, recipient

Prints a line of JSON: the replies to AUTH, the seconds that each RCPT took, and their replies.
"""

import base64
import json
import smtplib
import ssl
import sys
import threading
import time

HOST, COUNT = sys.argv[1], int(sys.argv[2])
LOGIN, PASSWORD, TO = json.loads(sys.argv[3])
TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
TLS.check_hostname, TLS.verify_mode = False, ssl.CERT_NONE
PLAIN = base64.b64encode(f"\0{LOGIN}\0{PASSWORD}".encode()).decode()

ready = threading.Barrier(COUNT + 1)
replies: list[int] = []
times: list[float] = []
codes: list[int] = []


def wait_for_auth() -> None:
    session = smtplib.SMTP_SSL(HOST, 465, timeout=60, context=TLS)
    session.ehlo()
    ready.wait()
    try:
        replies.append(session.docmd("AUTH PLAIN", PLAIN)[0])
    except (OSError, smtplib.SMTPException):
        replies.append(0)
    session.close()


def main() -> None:
    threads = [threading.Thread(target=wait_for_auth) for _ in range(COUNT)]
    for thread in threads:
        thread.start()
    with smtplib.SMTP(HOST, 25, timeout=60) as session:
        session.ehlo()
        ready.wait()
        while len(replies) < COUNT or len(times) < 5:
            session.mail("load@outside.test")
            begun = time.monotonic()
            codes.append(session.rcpt(TO)[0])
            times.append(time.monotonic() - begun)
            session.rset()
            time.sleep(0.05)
    for thread in threads:
        thread.join()
    print(json.dumps({"auth": replies, "rcpt": times, "codes": codes}))


main()
