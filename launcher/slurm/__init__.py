"""Runs a plan on the nodes of a Slurm cluster: each block is a job, and jobs are submitted as job arrays."""
