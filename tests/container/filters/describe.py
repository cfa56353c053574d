"""Puts what it was told of the client and the transaction on top of each message."""

from filters.smtpd import FilterServer, Session


def describe(session: Session, message: bytes) -> bytes:
    transaction = session.transaction
    assert transaction is not None
    known = {
        "Helo": session.helo,
        "Address": str(session.client_address),
        "Local": str(session.local),
        "User": str(session.user),
        "Tls": str(session.tls is not None),
        "Sender": f"<{transaction.sender}>",
        "Recipients": ",".join(transaction.recipients),
        "Protocol": server.handshake.config.get("protocol", "untold"),
        "Admd": str(server.handshake.admd),
    }
    fields = "".join(f"X-{name}: {value}\r\n" for name, value in known.items())
    return fields.encode() + message


server = FilterServer()
server.register_message_filter(describe)
server.serve_forever()
