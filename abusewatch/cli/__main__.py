"""`python -m abusewatch.cli`, for where the script is not on the path."""

from abusewatch.cli import main

main()
