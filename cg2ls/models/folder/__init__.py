"""Model folders: their description, their checks and their places on this machine."""

from cg2ls.models.folder.description import ModelDescription, ModelFolderError

__all__ = ["ModelDescription", "ModelFolderError"]
