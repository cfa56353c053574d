"""What kinds of mail there are, how much of each, and what is said in them.

Both classes say everything; how often each thing is said is all that differs. The figures are
guesses of what a small account gets, and were set before any filter but bogofilter had seen them.
"""

from __future__ import annotations

from typing import NamedTuple


class Kind(NamedTuple):
    """A kind of mail."""

    subject: str  # its pool
    about: str  # what its topic is: brand, theme or campaign
    ham: float  # how much of all ham
    spam: float  # how much of all spam
    # Pool: how many of its phrases a message has on average, (in ham, in spam).
    says: dict[str, tuple[float, float]]
    filler: tuple[float, float]  # sentences that say nothing, on average
    attachment: tuple[float, float] = (0.02, 0.04)


COMMON = {"receipt", "newsletter", "reset", "invoice"}
# Kinds of which nothing at all is trained.
NEVER_TRAINED = {"dating", "seo", "invitation"}

KINDS = {
    "receipt": Kind(
        "subject_receipt",
        "brand",
        12,
        10,
        {
            "order": (3.0, 2.2),
            "pay": (0.5, 0.6),
            "calm": (0.4, 0.35),
            "urgent": (0.04, 0.75),
            "action": (0.6, 1.1),
            "offer": (0.3, 0.25),
        },
        (1.5, 1.2),
        (0.15, 0.12),
    ),
    "newsletter": Kind(
        "subject_newsletter",
        "brand",
        13,
        11,
        {
            "news": (2.4, 0.9),
            "offer": (1.4, 2.2),
            "urgent": (0.06, 0.75),
            "action": (1.3, 1.4),
            "calm": (0.1, 0.2),
        },
        (5, 4),
    ),
    "reset": Kind(
        "subject_reset",
        "brand",
        7,
        10,
        {
            "account": (1.8, 1.8),
            "calm": (1.0, 0.5),
            "urgent": (0.125, 1.35),
            "action": (0.9, 1.1),
        },
        (0.6, 0.7),
    ),
    "invoice": Kind(
        "subject_invoice",
        "brand",
        9,
        9,
        {
            "pay": (2.0, 1.8),
            "order": (0.9, 0.6),
            "attached": (0.6, 0.7),
            "urgent": (0.06, 0.75),
            "action": (0.5, 0.8),
            "calm": (0.35, 0.25),
        },
        (1.2, 1.2),
        (0.6, 0.45),
    ),
    "invitation": Kind(
        "subject_invite",
        "theme",
        4,
        2,
        {"invite": (2.5, 2.2), "plan": (0.5, 0.4), "urgent": (0.02, 0.6), "action": (0.3, 0.9)},
        (1, 1),
        (0.7, 0.5),
    ),
    "shipping": Kind(
        "subject_shipping",
        "brand",
        6,
        5,
        {
            "ship": (2.0, 2.0),
            "order": (0.7, 0.5),
            "urgent": (0.04, 0.75),
            "action": (0.8, 1.1),
            "calm": (0.2, 0.15),
        },
        (0.8, 0.8),
    ),
    "cron": Kind(
        "subject_cron",
        "theme",
        7,
        2,
        {
            "monitoring": (4.0, 2.0),
            "account": (0.15, 0.8),
            "urgent": (0.05, 0.9),
            "action": (0.2, 1),
        },
        (0.7, 0.7),
    ),
    "bank": Kind(
        "subject_bank",
        "brand",
        4,
        5,
        {
            "bank": (1.9, 1.8),
            "account": (0.3, 0.6),
            "calm": (0.7, 0.4),
            "urgent": (0.05, 1.05),
            "action": (0.5, 1.1),
        },
        (1, 1),
    ),
    "thread": Kind(
        "subject_thread",
        "theme",
        23,
        4,
        {
            "smalltalk": (1.8, 0.6),
            "plan": (1.2, 1.3),
            "attached": (0.12, 0.3),
            "pay": (0.05, 0.4),
            "urgent": (0.015, 0.45),
            "action": (0.1, 0.35),
        },
        (3.5, 1.2),
        (0.12, 0.15),
    ),
    "list": Kind(
        "subject_list",
        "theme",
        15,
        2,
        {
            "technical": (2.6, 0.7),
            "smalltalk": (0.15, 0.2),
            "visibility": (0.01, 0.8),
            "news": (0.25, 0.4),
            "action": (0.15, 0.9),
        },
        (6, 2.5),
    ),
    "pharmacy": Kind(
        "subject_cures",
        "campaign",
        0,
        5,
        {
            "cures": (0, 2.4),
            "offer": (0, 0.9),
            "urgent": (0, 0.6),
            "action": (0, 1.3),
            "smalltalk": (0, 0.2),
        },
        (0, 2),
    ),
    "casino": Kind(
        "subject_play",
        "campaign",
        0,
        4,
        {"play": (0, 2.3), "offer": (0, 0.6), "urgent": (0, 0.6), "action": (0, 1.3)},
        (0, 1.5),
    ),
    "crypto": Kind(
        "subject_invest",
        "campaign",
        0,
        5,
        {
            "invest": (0, 2.3),
            "account": (0, 0.3),
            "news": (0, 0.4),
            "urgent": (0, 0.6),
            "action": (0, 1.2),
        },
        (0, 2),
    ),
    "fortune": Kind(
        "subject_fortune",
        "campaign",
        0,
        5,
        {"fortune": (0, 3.4), "urgent": (0, 0.3), "smalltalk": (0, 0.2)},
        (0, 3),
        (0, 0.08),
    ),
    "seo": Kind(
        "subject_visibility",
        "campaign",
        0,
        4,
        {"visibility": (0, 2.4), "plan": (0, 0.5), "offer": (0, 0.3), "action": (0, 0.5)},
        (0, 1.5),
    ),
    "dating": Kind(
        "subject_affection",
        "campaign",
        0,
        4,
        {"affection": (0, 2.3), "smalltalk": (0, 0.5), "action": (0, 0.9)},
        (0, 1.2),
        (0, 0.15),
    ),
    "malware": Kind(
        "subject_attached",
        "brand",
        0,
        5,
        {"attached": (0, 1.6), "pay": (0, 0.8), "plan": (0, 0.2), "urgent": (0, 0.45)},
        (0, 0.8),
        (0, 1.0),
    ),
    "salad": Kind(
        "subject_thread",
        "theme",
        0,
        4,
        {"smalltalk": (0, 0.8), "technical": (0, 0.5), "action": (0, 1.1), "offer": (0, 0.4)},
        (0, 14),
    ),
    "image": Kind(
        "subject_newsletter",
        "campaign",
        0,
        3,
        {"action": (0, 0.6), "offer": (0, 0.2)},
        (0, 0.4),
    ),
    "lottery": Kind(
        "subject_play",
        "campaign",
        0,
        3,
        {"play": (0, 1.6), "fortune": (0, 1.2), "account": (0, 0.2), "urgent": (0, 0.45)},
        (0, 1.5),
        (0, 0.1),
    ),
}
# So often a message tells of mail of the other class, as people do when they warn each other, and
# as spam does that borrows a conversation: no word stands in one class alone.
EXCERPT = (0.09, 0.09)
EXCERPT_PHRASES = 5
# How often ham and spam know the account's name; how often a company's text has its legal foot.
BY_NAME = {"person": (0.85, 0.2), "company": (0.65, 0.2)}
FOOTER = {"person": (0.06, 0.1), "company": (1.5, 1.0)}
# More of everything than the figures above say.
LENGTH = 2.4
