"""mda_check_loop() believes any Delivered-To field: a stranger can have accepted mail bounced to
whom he likes."""

from plain import MAILBOX, Client, logged, result, start, wait_for

start()
print(Client().send("Delivered-To: someone@here.test\r\nSubject: x\r\n\r\ntext\r\n"))
seen = wait_for(lambda: logged(r"mda delivery.*|warn: .*loop.*") or list(MAILBOX.glob("*")))
result("it is delivered, or refused before the 250", seen)
