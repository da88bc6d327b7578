"""The rules by which the scripted model answers, by name.

`upstream`, `commit`, `both` (upstream's lines, then the commit's) and `abstain` are what a model might do. The
`bad:` rules are what must be refused: the first three by validation, the others by the check of answers.
"""

from typing import Final

PLAIN: Final = frozenset({"upstream", "commit", "both", "abstain"})

# Put together here so that no scanner takes this file for what it describes.
ADDED: Final = {  # a line after both sides'
    "bad:syntax": "(((\n",
    "bad:dangerous": "__import__('os').system('true')\n",
    "bad:secret": "key = 'AKIA" + "IOSFODNN7" + "Q3XAMPL'\n",
    "bad:marker": "<<<<<<< upstream\n",
}
WHOLE: Final = {"bad:nothing": "", "bad:garbage": "Sure! Here is the merged file:\n"}  # instead of an answer

OF_REVIEWS: Final = frozenset({"bad:approve", "bad:elsewhere"})  # said of a change that is looked at

RULES: Final = PLAIN | OF_REVIEWS | {"bad:lost", *ADDED, *WHOLE}
