"""Imports job files of other tools: manifests, configs of `hyp`, and configs of `hyperpod start-job`."""

from .importer import Imported, import_documents, import_text
from .meaning import Difference, compare

__all__ = ["Difference", "Imported", "compare", "import_documents", "import_text"]
