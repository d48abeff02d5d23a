"""The manual: pages of Markdown, and what reads them (``tuichaos manual``)."""
