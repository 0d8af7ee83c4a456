"""What touches the disk: the atomic writer, locks between processes, and what dead ones left."""

from .leftovers import remove_leftovers as remove_leftovers
from .locks import locked as locked
from .writer import check_writable as check_writable
from .writer import json_value as json_value
from .writer import replacing as replacing
from .writer import write_text as write_text
