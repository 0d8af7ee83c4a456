"""Reports: pictures (PNG, PDF, SVG) and the self-contained HTML page."""
