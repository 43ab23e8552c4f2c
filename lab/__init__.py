"""The workshop: benchmarks, the study and the demo. Nothing here reaches a user.

Run its modules from the repository: `python -m lab.study.report`. `lab.loading` makes the host and the pack importable.
"""
