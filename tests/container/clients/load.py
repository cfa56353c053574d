"""Logs in and sends mail, at the same time, from inside the client's container.

    python3 - HOST LOOPS RATE SECONDS JSON <this; JSON: login, password and recipient, a name

LOOPS threads log in on 465 and 587 by turns, RATE messages a second go to port 25, for SECONDS.
Prints a line of JSON: how often each reply to AUTH came, and of each message its number, the reply
to its last dot, the seconds from RCPT to its reply, and when the dot was sent. Each message has the
name, its number and that time in X-Load.
"""

import json
import smtplib
import ssl
import sys
import threading
import time
from collections import Counter

HOST, LOOPS, RATE, SECONDS = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])
LOGIN, PASSWORD, TO, RUN = json.loads(sys.argv[5])
TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
TLS.check_hostname, TLS.verify_mode = False, ssl.CERT_NONE

logins: Counter[str] = Counter()
messages: list[tuple[int, int, float, float]] = []
over = threading.Event()


def log_in(port: int) -> str:
    try:
        if port == 465:
            session = smtplib.SMTP_SSL(HOST, port, timeout=30, context=TLS)
        else:
            session = smtplib.SMTP(HOST, port, timeout=30)
            session.starttls(context=TLS)
        with session:
            session.ehlo()
            session.user, session.password = LOGIN, PASSWORD
            return str(session.auth("PLAIN", session.auth_plain)[0])
    except smtplib.SMTPResponseException as error:
        return str(error.smtp_code)
    except (OSError, smtplib.SMTPException) as error:
        return type(error).__name__


def log_in_again_and_again(first: int) -> None:
    turn = first
    while not over.is_set():
        logins[log_in((465, 587)[turn % 2])] += 1
        turn += 1


def send(number: int) -> None:
    code, waited, sent = 0, 60.0, 0.0
    try:
        with smtplib.SMTP(HOST, 25, timeout=60) as session:
            session.ehlo()
            session.mail("load@outside.test")
            begun = time.monotonic()
            code = session.rcpt(TO)[0]
            waited = time.monotonic() - begun
            sent = time.time()
            raw = f"From: load@outside.test\r\nX-Load: {RUN} {number} {sent}\r\n\r\nx\r\n"
            code = session.data(raw)[0]
    except smtplib.SMTPResponseException as error:
        code = error.smtp_code
    except (OSError, smtplib.SMTPException):
        pass
    messages.append((number, code, waited, sent))


def main() -> None:
    threads = [threading.Thread(target=log_in_again_and_again, args=(n,)) for n in range(LOOPS)]
    for thread in threads:
        thread.start()
    begun = time.monotonic()
    for number in range(int(RATE * SECONDS)):
        time.sleep(max(0.0, begun + number / RATE - time.monotonic()))
        threads.append(threading.Thread(target=send, args=(number,)))
        threads[-1].start()
    over.set()
    for thread in threads:
        thread.join()
    print(json.dumps({"logins": logins, "messages": messages}))


main()
