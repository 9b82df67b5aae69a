"""What people know about spam, as labeling functions; most say ham only where nothing points to spam."""

from typing import Any

import pyarrow_hotfix  # noqa: F401
import pyarrow as pa
import pyarrow.compute as pc

from problems.labeling import augmentation as tf
from problems.labeling import functions as lf

HAM, SPAM = "ham", "spam"
LINK = r"https?:|www\.|\.(?:com|co\.uk|net|org)\b"
PREMIUM = r"\b0(?:8|9)\d{2,}|\b\d{5,6}\b"
PRICE = r"£ ?\d|\d+p\b|\bp/min|per (?:msg|min|week)|\d+ ?/ ?(?:week|wk|msg)"
OFFER = r"\b(?:free|txt|text|ringtones?|offer|voucher|cash)\b.*\d|\d.*\b(?:free|txt|text|cash)\b"
CUES = rf"{LINK}|{PREMIUM}|{PRICE}|\b(?:free|win|won|winner|prize|claim|urgent|txt|offer|reply|stop|mobile|award)"
"""What any of the functions for spam looks for, or nearly."""

_ADDRESS = ["claim", "prize", "winner", "won", "award", "guaranteed", "selected"]
_CLOSE = ["love", "lor", "lol", "haha", "hey", "dear", "da", "babe", "sorry", "miss", "k"]
_DAILY = ["home", "dinner", "lunch", "sleep", "tomorrow", "tonight", "later", "class", "work", "mum", "dad", "bus"]


def _without_cue(batch: pa.RecordBatch) -> pa.Array:
    return pc.invert(pc.match_substring_regex(_text(batch), CUES, ignore_case=True))


def _text(batch: pa.RecordBatch) -> pa.Array:
    return batch.column(batch.schema.get_field_index("text"))


def _ham_words(words: list[str], name: str) -> Any:
    rule = lf.keyword("text", words, HAM, whole_words=True)
    return lf.Rule(name, HAM, lambda batch: pc.and_(rule.condition(batch), _without_cue(batch)))


@lf.batch_function(HAM)
def short_without_cue(batch: pa.RecordBatch) -> pa.Array:
    """Spam has something to sell, which takes words."""
    return pc.and_(pc.less(pc.utf8_length(_text(batch)), 60), _without_cue(batch))


@lf.batch_function(HAM)
def no_digits_without_cue(batch: pa.RecordBatch) -> pa.Array:
    """Spam says what it costs, or where to call."""
    has_digit = pc.match_substring_regex(_text(batch), r"\d")
    return pc.and_(pc.invert(has_digit), _without_cue(batch))


labeling_functions = [
    lf.regex("text", LINK, SPAM, name="link"),
    lf.regex("text", PREMIUM, SPAM, name="number_to_call"),
    lf.regex("text", PRICE, SPAM, name="price"),
    lf.keyword("text", _ADDRESS, SPAM, name="winnings", whole_words=True),
    lf.regex("text", OFFER, SPAM, name="offer"),
    lf.regex("text", r"\b(?:urgent|call now|reply|stop|unsubscribe|t&cs?|18\+?)\b.*\d", SPAM, name="call_to_act"),
    short_without_cue,
    no_digits_without_cue,
    _ham_words(_CLOSE, "words_of_friends"),
    _ham_words(_DAILY, "words_of_the_day"),
    lf.regex("text", r"\b(?:i'm|i'll|im|i am|ill|u r|r u|gonna|wanna|cos|ok)\b", HAM, name="chat"),
]

slicing_functions = [
    lf.regex("text", LINK, SPAM, name="has_link"),
    lf.length("text", HAM, below=100, unit="characters").named("short"),
]

transformation_functions = [
    tf.synonyms(
        "text",
        {"call": ["ring", "phone"], "free": ["gratis"], "win": ["gain"], "home": ["house"], "dinner": ["supper"]},
        share=0.5,
    ),
    tf.swap_words("text"),
    tf.drop_word("text"),
]
