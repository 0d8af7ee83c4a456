"""What touches the disk: the atomic writer, the limits of what is read, and the boundary of our own formats."""

from .limits import NotEnoughMemory as NotEnoughMemory
from .limits import allowed as allowed
from .limits import check_claim as check_claim
from .limits import check_memory as check_memory
from .limits import free_memory as free_memory
from .limits import limited as limited
from .limits import parsing as parsing
from .limits import regular_file as regular_file
from .records import NewerVersion as NewerVersion
from .records import Schema as Schema
from .records import check_array as check_array
from .records import checked as checked
from .records import clean as clean
from .records import clean_text as clean_text
from .records import digest as digest
from .records import parse_json as parse_json
from .records import read_record as read_record
from .records import short as short
from .records import to_json as to_json
from .records import write_record as write_record
from .writer import check_writable as check_writable
from .writer import json_value as json_value
from .writer import make_folder as make_folder
from .writer import replacing as replacing
from .writer import write_text as write_text
