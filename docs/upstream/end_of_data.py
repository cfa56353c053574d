"""A line of a dot ends a message whatever ended the line before (SMTP smuggling); what follows in
another segment is obeyed as commands."""

from plain import Client, result, start

start()
for name, end in (("LF.LF", "\n.\n"), ("LF.CRLF", "\n.\r\n"), ("CRLF.LF", "\r\n.\n")):
    client = Client(wait=3)
    client.begin()
    client.link.sendall(("Subject: x\r\n\r\ntext" + end).encode())
    result(f"no end of the message at {name}", client.reply())
    result("no command", client.say("MAIL FROM:<smuggled@client.test>"))
