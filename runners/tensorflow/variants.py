"""Which of TensorFlow's ways a variant goes; `tuned` goes the fastest that was found among documented ones.

On a CPU that is a static graph in a session, its weights frozen for inference, the optimiser's update compiled by XLA
for training (Adam's dozen operations on each weight become one loop). Whole networks XLA compiles badly there: it was
seen to take thirty times as long over depthwise convolutions. That it is the fastest on a GPU is a guess.
"""

from runners.harness.workload import Request


def runs_in_session(request: Request) -> bool:
    """Does a session of TensorFlow 1 run the step?"""
    variant = request.competitor.variant
    return variant == "graph_v1" or (variant == "tuned" and request.case.device == "cpu")


def compiled_by_xla(request: Request) -> bool:
    """Does XLA compile the whole step?"""
    variant = request.competitor.variant
    return variant == "xla" or (variant == "tuned" and request.case.device == "gpu")
