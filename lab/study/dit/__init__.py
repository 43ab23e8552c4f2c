"""The study's question about diffusion transformers (DiTs): does self-attention guidance help one?

plan.md says what was asked and by which rule it was answered, before the rows that decide. Nothing here is shipped.
"""
