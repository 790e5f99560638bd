"""Options given as variables of make: `make bench NETWORKS=vgg16` is `--networks vgg16`."""

from argparse import Namespace
from collections.abc import Mapping

from launcher.errors import UsageError, unknown


def add_variables(arguments: Namespace, environment: Mapping[str, str]) -> None:
    """Take the options that have not been given from the variables of their names, which the Makefile exports.

    `arguments.make` names those on make's command line; None: make did not start this. Raises UsageError for a name
    that is no option.
    """
    if arguments.make is None:
        return
    given = {name.upper(): value for name, value in vars(arguments).items() if isinstance(value, str | None)}
    options = given.keys() - {"MAKE", "COMMAND"}
    for name in arguments.make.split():
        if name not in options:
            raise UsageError(unknown("variable", name, options))
    for name in options:
        if not given[name]:
            setattr(arguments, name.lower(), environment.get(name))
