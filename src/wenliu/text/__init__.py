"""Chinese text: cleaning with an edit map, segmentation, near-duplicates, normal forms.

Pure functions on strings and columns. Imports nothing of ours but errors, frames and progress,
and neither torch, kedro nor transformers: the exported bundle carries this package as it is.
"""
