"""One-time codes in a text: digits near a word that announces them."""

from __future__ import annotations

import re

MOST_CODES = 50
_MOST_CHARACTERS = 500_000
_CODE = re.compile(
    r"""(?<![\w@/.:#&=?%$€£+-])(?<!\d[ ,])
        (?P<code> \d{3}[ -]\d{3} | \d{4,8} | [A-Z]-\d{4,8}
                | (?=[A-Z]*\d)(?=\d*[A-Z])[A-Z0-9]{6,8} )
        (?![\w@/%$€£]|[.,:-]\d|[ ]\d)""",
    re.VERBOSE,
)
# Of the languages that people write their tests' mail in.
_ANNOUNCED = re.compile(
    r"\b(?:code|otp|one[- ]time|pass(?:code|word|wort)|pin|verif\w*|token|2fa|mfa"
    r"|bestätigung\w*|kennwort|sicherheits\w*|código|codice|kod\w*|wachtwoord|verific\w*)\b"
    r"|код\w*|парол\w*|验证码|驗證碼|認証コード|確認コード|인증",
    re.IGNORECASE,
)
_NEAR = 120  # characters between the word and the code


def codes_of(text: str) -> list[str]:
    """Each once, the one nearest to such a word first; `123 456` and `123-456` as `123456`."""
    text = text[:_MOST_CHARACTERS]
    announced = [match.span() for match in _ANNOUNCED.finditer(text)]
    found: dict[str, int] = {}
    first = 0
    for match in _CODE.finditer(text):
        start, end = match.span("code")
        while first < len(announced) and announced[first][1] < start - _NEAR:
            first += 1
        distance, word = _NEAR + 1, first
        while word < len(announced) and announced[word][0] <= end + _NEAR:
            word_start, word_end = announced[word]
            # A code mostly stands behind its word; one before it ("123456 is your code") is meant
            # less often.
            gap = start - word_end if word_end <= start else 2 * (word_start - end)
            distance = min(distance, gap)
            word += 1
        if distance <= _NEAR:
            code = match["code"]
            code = re.sub(r"[ -]", "", code) if code[0].isdigit() else code
            found[code] = min(distance, found.get(code, distance))
    return sorted(found, key=lambda code: found[code])[:MOST_CODES]
