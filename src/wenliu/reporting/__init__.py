"""HTML pages and SVG charts from numbers."""
