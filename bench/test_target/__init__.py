"""What the image costs as a test target, beside MailDev and aiosmtpd: `make bench-test-target`.

Everything runs in containers of its own, which end with it, and is bounded in time.
"""
