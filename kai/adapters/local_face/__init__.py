"""The face that is drawn on this computer."""

from kai.adapters.local_face.face import LocalFace

__all__ = ["LocalFace"]
