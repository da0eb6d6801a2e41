"""reports/index.html: all of reports/ as one self-contained page."""
