"""Letters of many languages, commonest first, and the encodings that were made for them."""

from typing import NamedTuple

__all__ = ["ALPHABETS", "BLOCKS", "WIDE", "Alphabet"]

ENGLISH = "’“”‘–—…é£•·\xa0"
FRENCH = "éàèêçâîôùûëïœ’«»…–—\xa0ÉÀÇÊ°“”‘€"
GERMAN = "üäößÜÖÄ„“–»«…’‚‘—\xa0é"
SPANISH = "óíáéñúüãçõêàâ¿¡ºª«»—–…“”ÁÉÍÓÚÑ\xa0"
NORDIC = "åäöøæéÅÄÖØÆ”–»…’\xa0þðáíóúýÞ"
CZECH = "íáéěýčžřšůúťďňóľôŘČŽŠÚÁÍ„“–…\xa0"
POLISH = "łęążśćóńźŁŚŻĆ„”–…—\xa0"
HUNGARIAN = "áéöőíóüúűÁÉÖÓÍŐ„”–…\xa0"
RUSSIAN = "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъёіїєґўВНПСОКТАМДИРБЯЧЕГУЛЭЗХФШЖЮЦ—–«»…„“№\xa0"
GREEK = "αοιετσνηυρπκμλςωάόίδέήγχθύφβώξζψϊΑΟΤΗΚΠΜΣΕΔΓΝ«»–…’\xa0"
TURKISH = "ışğüöçİâŞÖÇÜîû’“”…–\xa0"
HEBREW = "יוהלארתבשמנםדעקחפגכטןצסזךףץ–״׳\xa0"
ARABIC = "اليمونرتبةعدسفهكقحأجشصىطخضثذئغزءظإؤآًٍَُِّْ،؛؟پچگ\xa0"
JAPANESE = (
    "いんうのかとしたてなにるはくき、がを。りもれまでこすさっよじせどけえあだゃおらちつわ"
    + "".join(map(chr, (*range(0x3041, 0x3094), *range(0x30A1, 0x30F7))))
)
JAPANESE += "ー「」…　日人一大年本中出国見会生者行時"
SIMPLIFIED = (
    "，的。一是不了人我在、有他这中大来上个国到说们为子和你地出道也时年得就那要下以生会自着去之过家学"
    "对可她里后小么心多天而能好都然没日于起还发成事只作当想看无开手十用主行方又如前所本见经头面公同"
    "三已老从动两长知民样现分将外但身些与高意进把法此实回二理山风月水春何君白花夜秋云江明"
    "“”：；？！《》　"
)
TRADITIONAL = (
    "，的。一是不了人我在、有他這中大來上個國到說們為子和你地出道也時年得就那要下以生會自著去之過家學"
    "對可她裡後小麼心多天而能好都然沒日於起還發成事只作當想看無開手十用主行方又如前所本見經頭面公同"
    "三已老從動兩長知民樣現分將外但身些與高意進把法此實回二理山風月水春何君白花夜秋雲江明"
    "「」：；？！《》　"
)
KOREAN = (
    "이다는을에의가고하지로은기나사도한어리를아그서자대시일해인들라보니정게과수있제부스전주장만오여마조"
    "상구유비안었면무선신성국까당우소동모거말세것없했되던내원경네생각러저야와습더들때적"
)


WESTERN = (ENGLISH, FRENCH, GERMAN, SPANISH, NORDIC)
CENTRAL = (CZECH, POLISH, HUNGARIAN)


class Alphabet(NamedTuple):
    """How a language looks in an encoding."""

    encoding: str
    common: str  # characters beyond ASCII, the commonest first
    kind: str  # "latin": among ASCII letters; "other": never beside one; "signs": ideographs


ALPHABETS = (
    *(Alphabet("cp1252", common, "latin") for common in WESTERN),
    *(Alphabet("cp1250", common, "latin") for common in CENTRAL),
    *(Alphabet("iso8859-2", common, "latin") for common in CENTRAL),
    Alphabet("cp1254", TURKISH, "latin"),
    Alphabet("cp1251", RUSSIAN, "other"),
    Alphabet("koi8-r", RUSSIAN, "other"),
    Alphabet("iso8859-5", RUSSIAN, "other"),
    Alphabet("cp866", RUSSIAN, "other"),
    Alphabet("cp1253", GREEK, "other"),
    Alphabet("cp1255", HEBREW, "other"),
    Alphabet("cp1256", ARABIC, "other"),
    Alphabet("shift_jis", JAPANESE, "signs"),
    Alphabet("euc_jp", JAPANESE, "signs"),
    Alphabet("gb18030", SIMPLIFIED, "signs"),
    Alphabet("big5", TRADITIONAL, "signs"),
    Alphabet("euc_kr", KOREAN, "signs"),
    *(Alphabet("mac_roman", common, "latin") for common in WESTERN),
    *(Alphabet("cp850", common, "latin") for common in WESTERN),
    *(Alphabet("latin-1", common, "latin") for common in WESTERN),
)
"""Where two are as likely, the first is offered first."""

WIDE = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
"""Of two or four bytes a character: ASCII characters have NUL bytes in them."""
BLOCKS = (
    (0x09, 0x0E),
    (0x20, 0x7F),
    (0xA0, 0x250),  # Latin
    (0x300, 0x700),  # Greek, Cyrillic, Hebrew, Arabic
    (0x900, 0xA00),  # Hindi, Bengali
    (0xE00, 0xE80),  # Thai
    (0x2010, 0x2030),  # dashes, quotation marks
    (0x3000, 0x3100),  # kana
    (0x4E00, 0xA000),  # ideographs
    (0xAC00, 0xD7A4),  # Hangul
    (0xFF01, 0xFF61),  # wide forms
)
"""Ranges of code points, the end not included, that nearly all text consists of."""
