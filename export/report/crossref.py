"""Which work products of the standards the sections of a report support.

Worded as "supports": a report is evidence for an assessment and never the assessment. The standards' texts are not
quoted; clause titles are in common words, to be held against the reader's own copy.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Support:
    """A row: the standard, the work product in common words, what in the report supports it, and the section."""

    standard: str
    product: str
    supported_by: str
    anchor: str


CROSS_REFERENCES = (
    Support(
        "ISO 26262-6", "software safety requirements", "requirements with their origin and rationale", "requirements"
    ),
    Support(
        "ISO 26262-6",
        "formal verification of a unit",
        "proofs with certificates that a second tool checks",
        "requirements",
    ),
    Support(
        "ISO 26262-6", "back-to-back comparison of model and code", "Python, C and ONNX, count for count", "one-answer"
    ),
    Support("ISO 26262-6", "fault injection test", "single faults of sensors, frames, parameters and state", "faults"),
    Support("ISO 26262-6", "requirements-based test", "events in the simulated controller", "simulation"),
    Support(
        "ISO 26262-6",
        "resource usage",
        "word lengths proved; flash, stack and time as far as they were measured",
        "resources",
    ),
    Support(
        "ISO 26262-8",
        "confidence in tools: detection of a prover's errors",
        "the checker, which trusts nobody",
        "verify",
    ),
    Support(
        "ISO/PAS 8800",
        "safety requirements of an AI element",
        "requirements that are also inputs of training",
        "requirements",
    ),
    Support("ISO/PAS 8800", "data: provenance and gaps", "which proved set each measured event lies in", "coverage"),
    Support(
        "ISO/PAS 8800",
        "verification and validation of an AI element",
        "proofs, unseen events, one answer",
        "evaluation",
    ),
    Support(
        "ISO/PAS 8800",
        "confidence in frameworks and tools",
        "what is proved are the integers, not the trainer",
        "verify",
    ),
    Support(
        "ISO/IEC 24029-2",
        "stability, reachability over bounded domains",
        "each proof over its stated set",
        "requirements",
    ),
    Support("ISO/IEC 24029-2", "real against computer arithmetic", "integers throughout; nothing is rounded", "model"),
    Support("ISO/IEC 24029-2", "completeness of the verifier", "undecided counts as not proved", "requirements"),
    Support("ISO 21448", "triggering conditions", "misuse modes of the corpus; no-fire sets as classes", "simulation"),
    Support("ISO 21448", "known and unknown scenarios", "what lies outside is told under limits", "open-points"),
)

ASSUMPTIONS = (
    "One frontal single-point sensor and one stage. Side, rear and rollover crashes are not treated.",
    "Requirements speak of sensor counts at the algorithm's input, after the sensor chain and its filter.",
    "Counts are whole numbers within the clamp, one every sample period; before the first count there is rest.",
    "Time is in samples: a fire request is seen at the end of the sample that makes it.",
    "The parameters are constant. A change of any of them, of the code or of the arming rule asks for new proofs.",
    "A frame that is lost, fails its CRC or says an error code counts as 0. The two sensors do not fail together.",
    "No sample is corrupted past its CRC while a road or a blow has armed the safing path: P7 is about quiet signals.",
    "The frames on the simulated bus are modelled on PSI5, not a certified one; loops and supply are simulated.",
)

RESIDUALS = (
    "A proof covers its stated set and nothing else. The bounds are assumed unless a requirement says more.",
    "Synthetic events stand in for recordings nobody publishes: misuse at full bandwidth, crashes below the threshold.",
    "The synthetic corpus of the simulation is the one the net was trained on; it shows that training worked.",
    "A request of the net is proved; the controller around it is simulated and tested, not proved.",
    "The compiler, the processor and the sensor's own faults are outside of every proof.",
    "No review, audit or independent assessment has taken place.",
)

CHANGE_RULES = (
    ("training data, training settings or seed", "everything from the model on"),
    ("a requirement", "the model (it is an input of training), its proof, and all that follows"),
    ("a parameter of the model or of arming", "all proofs, export, comparison, simulation"),
    ("the export's profile or templates", "export, comparison, simulation; the proofs stand"),
    ("sensor range, rate or filter", "everything: events, sets in counts, proofs"),
    ("the compiler or the processor", "comparison and simulation on it; the proofs stand"),
)
