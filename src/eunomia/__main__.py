"""`python -m eunomia`."""

from eunomia.cli.main import main

main()
