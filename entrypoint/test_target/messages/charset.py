"""Names of character sets → Python's codecs, for those alone that mail is written in.

Python would look for a module of any other name, and remember each that a stranger writes. Some
that it has are no character sets, and take the square of their length (punycode).
"""

from __future__ import annotations

from encodings import normalize_encoding
from encodings.aliases import aliases

_LONGEST = 60
_CODECS = frozenset(
    (
        *("ascii", "utf_7", "utf_8", "utf_8_sig"),
        *("utf_16", "utf_16_be", "utf_16_le", "utf_32", "utf_32_be", "utf_32_le"),
        *("latin_1", *(f"iso8859_{number}" for number in range(1, 17) if number != 12)),
        *(f"cp{number}" for number in (*range(1250, 1259), 874, 932, 949, 950)),
        *(f"cp{number}" for number in (437, 737, 775, 850, 852, 855, 857, 858, *range(860, 867))),
        *("cp869", "cp1125", "koi8_r", "koi8_t", "koi8_u", "kz1048", "ptcp154", "tis_620"),
        *("big5", "big5hkscs", "gb18030", "gb2312", "gbk", "hz", "johab"),
        *("euc_jis_2004", "euc_jisx0213", "euc_jp", "euc_kr"),
        *("shift_jis", "shift_jis_2004", "shift_jisx0213"),
        *("iso2022_jp", "iso2022_jp_1", "iso2022_jp_2", "iso2022_jp_2004", "iso2022_jp_3"),
        *("iso2022_jp_ext", "iso2022_kr"),
        *("mac_cyrillic", "mac_greek", "mac_iceland", "mac_latin2", "mac_roman", "mac_turkish"),
    )
)
# Names that mail has, and Python has not.
_FURTHER = {
    **{f"windows_{number}": f"cp{number}" for number in (*range(1250, 1259), 874, 932, 949)},
    "iso_8859_8_i": "iso8859_8",
    "iso_8859_8_e": "iso8859_8",
    "iso_8859_6_i": "iso8859_6",
    "iso_8859_6_e": "iso8859_6",
    "windows_936": "gbk",
    "windows_950": "cp950",
    "cp50220": "iso2022_jp",
    "cp50221": "iso2022_jp",
    "cp_850": "cp850",
    "ansi_x3.4_1986": "ascii",
    "unicode": "utf_16",
    "windows_31j": "cp932",
    "ks_c_5601": "euc_kr",
    "gb_2312_80": "gb2312",
    "gb_2312": "gb2312",
    "utf": "utf_8",
}
_BY_NAME = {
    **_FURTHER,
    **{codec: codec for codec in _CODECS},
    **{alias: codec for alias, codec in aliases.items() if codec in _CODECS},
}


def codec_of(name: str) -> str | None:
    """None: no character set of mail's."""
    if len(name) > _LONGEST or not name.isascii():
        return None
    normal = normalize_encoding(name.strip()).lower()
    return _BY_NAME.get(normal) or _BY_NAME.get(normal.removeprefix("x_"))
