"""The JSON of requests and answers, as JSON Schema for the OpenAPI document."""

from __future__ import annotations

from typing import Any, get_args

from entrypoint.test_target.faults import Phase

Schema = dict[str, Any]

_STRING: Schema = {"type": "string"}
_INTEGER: Schema = {"type": "integer"}
_BOOLEAN: Schema = {"type": "boolean"}
_OBJECT: Schema = {"type": "object"}
_MOMENT: Schema = {"type": "string", "format": "date-time"}
_ANY_OBJECT: Schema = {"type": "object", "nullable": True}


def _list(of: Schema) -> Schema:
    return {"type": "array", "items": of}


def _object(**fields: Schema) -> Schema:
    return {"type": "object", "properties": fields}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


_RECIPIENT = _object(Email=_STRING, Name=_STRING)
_NULLABLE: Schema = {**_STRING, "nullable": True}
_SECONDS: Schema = {"type": "number"}
_STEP = _object(
    times=_INTEGER,
    delay=_SECONDS,
    reply=_NULLABLE,
    disconnect=_BOOLEAN,
    greylist={**_SECONDS, "nullable": True},
    dsn=_NULLABLE,
    dsn_after=_SECONDS,
)
_FAULT: dict[str, Schema] = {
    "run": _NULLABLE,
    "match": _object(
        phase={**_STRING, "enum": list(get_args(Phase))},
        **dict.fromkeys(("sender", "recipient", "client", "login"), _NULLABLE),
    ),
    "script": _list(_STEP),
    "repeat": _BOOLEAN,
}
_TRIGGER = _object(ErrorCode=_INTEGER, Probability=_INTEGER)
_WHO = {
    "From": _ref("Address"),
    **{name: _list(_ref("Address")) for name in ("To", "Cc", "Bcc", "ReplyTo")},
}
_BOTH: dict[str, Schema] = {
    "ID": _STRING,
    "MessageID": _STRING,
    "Read": _BOOLEAN,
    **_WHO,
    "Subject": _STRING,
    "Username": _STRING,
    "Tags": _list(_STRING),
    "Size": _INTEGER,
    "Extra": _ref("Extra"),
}

SCHEMAS: dict[str, Schema] = {
    "Address": _object(Name=_STRING, Address=_STRING),
    "Extra": _object(
        Envelope=_object(From=_STRING, To=_list(_STRING)),
        Client=_object(Address=_STRING, Helo=_STRING, Port=_INTEGER),
        Login=_STRING,
        TLS={**_object(Version=_STRING, Cipher=_STRING), "nullable": True},
        Run=_STRING,
        Verdict=_ANY_OBJECT,
    ),
    "MessageSummary": _object(**_BOTH, Created=_MOMENT, Attachments=_INTEGER, Snippet=_STRING),
    "MessagesSummary": _object(
        **dict.fromkeys(("total", "unread", "count", "messages_count"), _INTEGER),
        messages_unread=_INTEGER,
        start=_INTEGER,
        tags=_list(_STRING),
        messages=_list(_ref("MessageSummary")),
    ),
    "Attachment": _object(
        **dict.fromkeys(("PartID", "FileName", "ContentType", "ContentID"), _STRING),
        Size=_INTEGER,
        Checksums=_object(MD5=_STRING, SHA1=_STRING, SHA256=_STRING),
    ),
    "Message": _object(
        **_BOTH,
        ReturnPath=_STRING,
        ListUnsubscribe=_object(
            Header=_STRING, Links=_list(_STRING), Errors=_STRING, HeaderPost=_STRING
        ),
        Date=_MOMENT,
        Created=_MOMENT,
        Text=_STRING,
        HTML=_STRING,
        Inline=_list(_ref("Attachment")),
        Attachments=_list(_ref("Attachment")),
    ),
    "Headers": {"type": "object", "additionalProperties": _list(_STRING)},
    "HTMLCheck": _object(Warnings=_list(_OBJECT), Platforms=_OBJECT, Total=_OBJECT),
    "LinkCheck": _object(
        Errors=_INTEGER,
        Links=_list(_object(URL=_STRING, StatusCode=_INTEGER, Status=_STRING)),
    ),
    "Links": _object(Links=_list(_object(URL=_STRING, Text=_STRING))),
    "Codes": _object(Codes=_list(_STRING)),
    "Tags": _list(_STRING),
    "Chaos": _object(Sender=_TRIGGER, Recipient=_TRIGGER, Authentication=_TRIGGER),
    "FaultRequest": {**_object(**_FAULT), "required": ["match", "script"]},
    "Fault": _object(id=_STRING, **_FAULT, hits=_INTEGER, done=_BOOLEAN),
    "Faults": _object(faults=_list(_ref("Fault"))),
    "Zone": {"type": "object", "additionalProperties": {}},
    "Dns": _object(run=_STRING, zone=_ref("Zone"), runs=_list(_STRING)),
    "Sent": _object(ID=_STRING),
    "Info": _object(
        **dict.fromkeys(("Version", "LatestVersion", "Database"), _STRING),
        **dict.fromkeys(("DatabaseSize", "Messages", "Unread"), _INTEGER),
        Tags={"type": "object", "additionalProperties": _INTEGER},
        RuntimeStats=_OBJECT,
        Server=_OBJECT,
    ),
    "WebUI": _OBJECT,
    "IDs": _object(IDs=_list(_STRING)),
    "SetRead": _object(Read=_BOOLEAN, IDs=_list(_STRING), Search=_STRING),
    "SetTags": _object(IDs=_list(_STRING), Tags=_list(_STRING)),
    "Name": _object(Name=_STRING),
    "Release": _object(To=_list(_STRING)),
    "Send": _object(
        From=_RECIPIENT,
        To=_list(_RECIPIENT),
        Cc=_list(_RECIPIENT),
        Bcc=_list(_STRING),
        ReplyTo=_list(_RECIPIENT),
        **dict.fromkeys(("Subject", "Text", "HTML"), _STRING),
        Attachments=_list(
            _object(Content=_STRING, Filename=_STRING, ContentType=_STRING, ContentID=_STRING)
        ),
        Tags=_list(_STRING),
        Headers={"type": "object", "additionalProperties": _STRING},
    ),
}
