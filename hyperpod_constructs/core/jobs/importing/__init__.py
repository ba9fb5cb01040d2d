"""Job files of other tools as job files of ours: manifests, configs of `hyp`, and configs of the old `start-job`."""

from .importer import Imported, import_documents, import_text
from .meaning import Difference, compare

__all__ = ["Difference", "Imported", "compare", "import_documents", "import_text"]
