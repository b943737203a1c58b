"""Writes the template to standard output."""

import sys

from bellwire_stack.template import template
from bellwire_stack.yaml_text import to_yaml

HEADER = """# Written by `make template` from infra/aws/bellwire_stack; change that, not this.
"""

sys.stdout.write(HEADER + to_yaml(template()))
