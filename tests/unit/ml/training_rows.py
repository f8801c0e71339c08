"""Tables to learn from: made of parts, so that there are as many rows as a test wants."""

import random

SUBJECTS = {
    "hydraulics": [
        "the pump lost pressure",
        "oil drips below the cylinder",
        "the hose burst",
        "the valve sticks",
        "pressure falls overnight",
    ],
    "electrics": [
        "the fuse blew",
        "the cable is burnt",
        "no voltage at the motor",
        "the relay clicks and nothing starts",
        "a short circuit",
    ],
    "billing": [
        "the invoice is wrong",
        "I was charged twice",
        "the payment was refused",
        "please refund the amount",
        "the price changed",
    ],
}
PLACES = [
    "on line 3",
    "since this morning",
    "again",
    "in the old hall",
    "after the audit",
    "says the night shift",
    "at the customer's",
]


def table(rows: int, seed: int) -> dict[str, list[str]]:
    """So many rows of each subject."""
    generator = random.Random(seed)
    pairs = [
        (f"{generator.choice(SUBJECTS[label])} {generator.choice(PLACES)}", label)
        for label in SUBJECTS
        for _ in range(rows)
    ]
    return {"text": [text for text, _ in pairs], "label": [label for _, label in pairs]}


def many_labels_table(rows: int, seed: int) -> dict[str, list]:
    """Each row speaks of none, one or two of the subjects, and has as many labels."""
    generator = random.Random(seed)
    texts, labels = [], []
    for number in range(rows):
        subjects = sorted(generator.sample(list(SUBJECTS), number % 3))
        parts = [generator.choice(SUBJECTS[subject]) for subject in subjects] or ["nothing to report"]
        texts.append(f"{' and '.join(parts)} {generator.choice(PLACES)}")
        labels.append(subjects)
    return {"text": texts, "label": labels}


NO_ROWS: dict[str, list] = {"text": [], "label": []}
