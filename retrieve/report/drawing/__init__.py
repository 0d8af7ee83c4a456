"""Panels drawn by matplotlib; the style in force gives colours and sizes, so that pictures and pages share this code."""
