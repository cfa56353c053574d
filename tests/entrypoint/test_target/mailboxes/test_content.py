"""The bytes of a copy."""

from entrypoint.test_target.mailboxes.content import copy_of, sizes


def test_what_production_s_delivery_writes_stands_on_top() -> None:
    content = b"Auth-Results: x;\r\n\tspf=pass\r\nSubject: a\r\n\r\nReturn-Path: stays\r\n"
    assert copy_of(content, "S@a.example", "Bob+Tag@B.example") == (
        b"Return-Path: <S@a.example>\n"
        b"Delivered-To: Bob+Tag@B.example\n"
        b"Auth-Results: x;\n\tspf=pass\nSubject: a\n\nReturn-Path: stays\n"
    )


def test_strangers_do_not_write_what_only_delivery_writes() -> None:
    content = (
        b"return-path: <forged@x>\n (more)\nX-Signpost-Returned: yes\nDelivered-To: old@x\n"
        b"Subject: a\nReturn-Path:\n\tx\n\ny\n"
    )
    assert copy_of(content, "", "bob@b.example") == (
        b"Return-Path: <>\nDelivered-To: bob@b.example\nDelivered-To: old@x\nSubject: a\n\ny\n"
    )


def test_an_alias_is_named() -> None:
    assert copy_of(b"\nx", "", "bob+x@b.example", "info+x@b.example") == (
        b"Return-Path: <>\nDelivered-To: bob+x@b.example\nX-Original-To: info+x@b.example\n\nx\n"
    )


def test_no_address_begins_a_line() -> None:
    text = copy_of(b"Subject: a\n\n", "a\r\nBcc: x", "b\nX: y\0")
    assert text.startswith(b"Return-Path: <aBcc: x>\nDelivered-To: bX: y\nSubject: a\n")


def test_the_name_has_both_sizes() -> None:
    assert sizes(b"a\nbc\n") == ",S=5,W=7"
