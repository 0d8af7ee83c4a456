"""What touches the disk: the atomic writer."""

from .writer import check_writable as check_writable
from .writer import json_value as json_value
from .writer import make_folder as make_folder
from .writer import replacing as replacing
from .writer import write_text as write_text
