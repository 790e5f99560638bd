"""The report on disk: an HTML page, a Markdown text, and how much of it they show."""
