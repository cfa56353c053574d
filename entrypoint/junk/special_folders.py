"""What a folder's name says about the mail in it: junk, trash, what the person writes, or the rest.

Dovecot offers each of them by special use, but a mail program may have one of its own, in its
owner's language; and who puts spam into a trash that is not known files it, which makes it ham.
"""

from __future__ import annotations

import base64
import binascii
import re
from enum import Enum
from functools import lru_cache

_JUNK = """
    junk, spam, junk e-mail, junk email, junk mail, junk-e-mail, bulk mail, bulk, junk-mail,
    spamverdacht, spam-verdacht, unerwünscht, unerwünschte werbung,
    indésirables, courrier indésirable, courriers indésirables, pourriel, pourriels,
    correo no deseado, no deseado, correo basura, posta indesiderata, indesiderata,
    ongewenst, ongewenste e-mail, ongewenste mail, lixo eletrônico, lixo eletrónico,
    ongewenste reclame, correio eletrónico não solicitado, skräppost, uønsket e-post,
    uønsket mail, uønsket post, søppelpost, roskaposti, wiadomości-śmieci, niechciane,
    nevyžádaná pošta, nevyžiadaná pošta,
    levélszemét, gereksiz e-posta, нежелательная почта, спам, небажана пошта,
    迷惑メール, 垃圾邮件, 垃圾郵件, 정크 메일, 스팸
"""
_TRASH = """
    trash, deleted items, deleted messages, deleted, bin, wastebasket, recycle bin,
    papierkorb, gelöscht, gelöschte elemente, gelöschte objekte, gelöschte nachrichten,
    corbeille, éléments supprimés, messages supprimés, papelera, elementos eliminados,
    mensajes eliminados, eliminados, cestino, posta eliminata, elementi eliminati,
    messaggi eliminati, prullenbak, prullenmand, verwijderde items, verwijderde berichten,
    lixeira, lixo, itens excluídos, itens eliminados, papperskorg, papperskorgen, borttaget,
    borttagna objekt, papirkurv, papirkurven, slettet post, slettede elementer,
    roskakori, poistetut, kosz, elementy usunięte, koš, odstraněná pošta, kôš, odstránená pošta,
    kuka, törölt elemek, çöp, çöp kutusu, silinmiş öğeler, корзина, удаленные, удалённые, кошик,
    видалені, ゴミ箱, 削除済みアイテム, 已删除邮件, 已删除, 废纸篓, 刪除的郵件, 垃圾桶,
    휴지통, 지운 편지함
"""
_OWN = """
    drafts, sent, sent items, sent messages, sent mail, templates, outbox,
    entwürfe, gesendet, gesendete elemente, gesendete objekte, gesendete nachrichten, vorlagen,
    postausgang, brouillons, envoyés, éléments envoyés, messages envoyés, modèles,
    borradores, enviados, elementos enviados, plantillas, bozze, inviati, posta inviata, inviata,
    concepten, verzonden, verzonden items, verzonden berichten, rascunhos, itens enviados, enviadas,
    utkast, skickat, skickade objekt, kladder, sendt, sendte elementer, sendt post, luonnokset,
    lähetetyt, szkice, kopie robocze, wysłane, elementy wysłane, koncepty, odeslané, odeslaná pošta,
    odoslané, piszkozatok, elküldött, elküldött elemek, taslaklar, gönderilmiş öğeler, gönderilmiş,
    черновики, отправленные, чернетки, надіслані, 下書き, 送信済み, 送信済みアイテム,
    草稿, 已发送, 已发送邮件, 寄件備份, 임시 보관함, 보낸 편지함
"""
_SHIFTED = re.compile(r"&([A-Za-z0-9+,]*)-")


class Kind(Enum):
    """What it means that a message is in a folder."""

    INBOX = "inbox"
    JUNK = "junk"
    TRASH = "trash"
    OWN = "own"  # what the person writes
    OTHER = "other"


def _names(text: str) -> frozenset[str]:
    return frozenset(" ".join(name.split()).casefold() for name in text.split(","))


_KINDS = (
    (_names(_JUNK), Kind.JUNK),
    (_names(_TRASH), Kind.TRASH),
    (_names(_OWN), Kind.OWN),
)


@lru_cache(4096)
def kind_of(name: str) -> Kind:
    """By a folder's name as its directory has it; one within Junk is Junk, too."""
    labels = {_decoded(label).casefold() for label in name.split(".") if label}
    if not labels:
        return Kind.INBOX
    return next((kind for names, kind in _KINDS if labels & names), Kind.OTHER)


def _decoded(label: str) -> str:
    """From IMAP's UTF-7 (RFC 3501, 5.1.3); what is none stays as it is."""
    return _SHIFTED.sub(_shifted, label)


def _shifted(match: re.Match[str]) -> str:
    coded = match[1].replace(",", "/")
    if not coded:
        return "&"
    try:
        return base64.b64decode(coded + "=" * (-len(coded) % 4)).decode("utf-16-be")
    except (binascii.Error, UnicodeDecodeError):
        return match[0]
