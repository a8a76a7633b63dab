"""How long a book may be and how old its readers. Imports nothing, so that `--help` can say it at once."""

MIN_PAGES, MAX_PAGES = 4, 16
MIN_AGE, MAX_AGE = 3, 10
