"""Takes files out of the inbox: finished ones only, each once, bad ones into quarantine."""

from wenliu.intake.taking import take_in

__all__ = ["take_in"]
