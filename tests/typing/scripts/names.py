"""Names that there aren't are errors for a type checker."""

from typing import reveal_type

import lakehouse as ln
import lakehouse.bionty as bt
from lakehouse import Artifct  # E: Module "lakehouse" has no attribute "Artifct"
from lakehouse.bionty import CelType  # E: Module "lakehouse.bionty" has no attribute "CelType"
from lakehouse.errors import LakeNotFond  # E: Module "lakehouse.errors" has no attribute "LakeNotFond"

ln.Artifct  # E: Module has no attribute "Artifct"
bt.Nonsense  # E: Module has no attribute "Nonsense"
ln.models.ArtifactBlok  # E: Module has no attribute "ArtifactBlok"
bt.models.CelType  # E: Module has no attribute "CelType"
bt.base.CelType  # E: Module has no attribute "CelType"
ln.setup.initt  # E: Module has no attribute "initt"
ln.examples.datasets.mini_imuno  # E: Module has no attribute "mini_imuno"
reveal_type(ln.__version__)  # R: str
