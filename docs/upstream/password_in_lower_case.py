"""table_lookup() lowers the whole key, which for the service `auth` has the password in it."""

import os
import pathlib
import smtplib
import ssl
import subprocess

from plain import CONF, result, start

TABLE = "/usr/libexec/opensmtpd/table-ask"
pathlib.Path(TABLE).write_text(r"""#!/usr/bin/python3
import sys
for line in sys.stdin:
    with open("/tmp/asked", "a") as file:
        file.write(line)
    if line == "config|ready\n":
        print("register|auth\nregister|ready", flush=True)
    elif line.startswith("table|"):
        words = line.rstrip("\n").split("|")
        print(words[4] + "-result", words[-1], "not-found", sep="|", flush=True)
""")
os.chmod(TABLE, 0o755)
os.chmod("/tmp", 0o1777)
subprocess.run(
    "openssl req -x509 -newkey rsa:2048 -nodes -keyout /tmp/key -out /tmp/cert -subj /CN=mx -days 2"
    " && chmod 600 /tmp/key",
    shell=True,
    check=True,
    stderr=subprocess.DEVNULL,
)
start(
    'pki "p" cert "/tmp/cert"\npki "p" key "/tmp/key"\n'
    'table logins "ask:/etc/ask"\n'
    'listen on 127.0.0.1 port 465 smtps pki "p" auth <logins>\n' + CONF
)
context = ssl._create_unverified_context()
try:
    with smtplib.SMTP_SSL("127.0.0.1", 465, context=context, timeout=10) as client:
        client.login("Someone@here.test", "A Secret IN Capitals")
except (smtplib.SMTPException, OSError) as error:
    print(error)
asked = [
    line
    for line in pathlib.Path("/tmp/asked").read_text().splitlines()
    if line.startswith("table|")
]
result("the table gets `A Secret IN Capitals`", asked)
