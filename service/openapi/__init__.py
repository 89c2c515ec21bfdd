"""The published contract, as it is served and committed in openapi/."""

from service.openapi.document import documents, openapi_bytes, openapi_document, write_documents
from service.openapi.operation import path_example, path_of

__all__ = ["documents", "openapi_bytes", "openapi_document", "path_example", "path_of", "write_documents"]
