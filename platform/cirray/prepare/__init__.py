"""From a raw source to a prepared dataset: checked, fingerprinted, and made by Ray Data.

Every row that is left out is a row of `rejects.parquet` with its reason. Ray is imported only once there are
pictures to read.
"""

from cirray.prepare.config import PrepareConfig
from cirray.prepare.pipeline import PREPARE_VERSION, PrepareResult, prepare

__all__ = ["PREPARE_VERSION", "PrepareConfig", "PrepareResult", "prepare"]
