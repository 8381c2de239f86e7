"""Wenliu (文流): from raw Chinese text to a fine-tuned, honestly evaluated, exported BERT."""

__version__ = "0.1.0"
