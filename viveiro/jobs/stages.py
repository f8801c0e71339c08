"""What jobs are doing, in words: the terminal and the pages say the same."""

from typing import Final

from viveiro.locale import Sentence

STAGES: Final = {
    "starting": Sentence("Starting the run"),
    "reading": Sentence("Reading rows"),
    "duplicates": Sentence("Looking for duplicates"),
    "writing": Sentence("Writing splits"),
    "checking": Sentence("Looking at every row"),
    "near_duplicates": Sentence("Looking for texts that are almost the same"),
    "downloading": Sentence("Downloading"),
    "scanning": Sentence("Scanning for pickles"),
    "preflight": Sentence("Measuring what it will need"),
    "features": Sentence("Computing features"),
    "head": Sentence("Training the head"),
    "training": Sentence("Training"),
    "validating": Sentence("Looking at the validation rows"),
    "evaluating": Sentence("Evaluating on rows it never saw"),
    "publishing": Sentence("Publishing"),
}
"""What a job is doing, by the `stage` of its progress."""
