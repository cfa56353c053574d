"""The null filter: every message goes back as it came."""

from filters.smtpd import FilterServer

server = FilterServer()
server.register_message_filter(lambda session, message: message)
server.serve_forever()
