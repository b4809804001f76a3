"""Model folders: what a model.json says, and where the folders lie."""

from cg2ls.models.folder.description import ModelDescription, ModelFolderError

__all__ = ["ModelDescription", "ModelFolderError"]
