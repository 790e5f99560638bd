"""The engine of a cluster: virtual environments in a folder that all nodes share."""

from launcher.engines.venv import VenvEngine


class NodeEngine(VenvEngine):
    """On the machine that submits, it prepares the environments; on a node, it runs the replicates of a block."""

    name = "slurm"
