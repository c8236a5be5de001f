"""All kinds of refiners."""

from typing import Annotated

from pydantic import Field

from pixelnerf.refine.codebook import CodebookRefiner, CodebookRefinerConfig
from pixelnerf.refine.reference import ReferenceRefiner, ReferenceRefinerConfig
from pixelnerf.refine.refiner import Refiner

RefinerConfig = Annotated[CodebookRefinerConfig | ReferenceRefinerConfig, Field(discriminator="name")]


def build_refiner(config: RefinerConfig) -> Refiner:
    """An untrained refiner."""
    return CodebookRefiner(config) if isinstance(config, CodebookRefinerConfig) else ReferenceRefiner(config)
