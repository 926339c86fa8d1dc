"""ImageCopy operator: copies private VM images on Huawei-type clouds, exactly once per object.

Start reading at :mod:`imagecopy.flow.decide`; docs/architecture.md has the picture.
"""

from importlib.metadata import version

__version__ = version("imagecopy-operator")
