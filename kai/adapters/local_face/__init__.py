"""The face that is drawn on this computer."""

from kai.adapters.local_face.face import LocalFace
from kai.adapters.local_face.spare import SpareFace

__all__ = ["LocalFace", "SpareFace"]
