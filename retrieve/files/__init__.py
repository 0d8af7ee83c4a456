"""What touches the disk: the atomic writer, the limits of what is read."""

from .limits import NotEnoughMemory as NotEnoughMemory
from .limits import allowed as allowed
from .limits import check_claim as check_claim
from .limits import check_memory as check_memory
from .limits import limited as limited
from .limits import parsing as parsing
from .limits import regular_file as regular_file
from .memory import free_memory as free_memory
from .writer import check_writable as check_writable
from .writer import json_value as json_value
from .writer import replacing as replacing
from .writer import write_text as write_text
