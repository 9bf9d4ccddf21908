"""Reading of datasets in S3 as Step Functions reads them, for local runs and the local AWS.

Items are read one after another, so that a dataset of any length needs little memory. What AWS does
is described in the AWS Step Functions Developer Guide, "ItemReader (Map)" and "How Step Functions
parses input CSV files".
"""

from .failures import DatasetError
from .reading import items_of
from .spool import Spool

__all__ = ["DatasetError", "Spool", "items_of"]
