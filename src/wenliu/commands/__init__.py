"""The commands of ``wenliu``, one module each: options here, work elsewhere."""
