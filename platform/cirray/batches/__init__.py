"""What batches are made of: samplers, the use of texts, augmentations. Importing registers them all.

A recipe chooses them by name; training carries them out. None of them knows how many workers there are.
"""

from cirray.batches.augmentation import Augmentation, AugmentationConfig, Pictures, augment, augmentations
from cirray.batches.captions import Captions, CaptionsConfig
from cirray.batches.category_pure import CategoryPure, CategoryPureConfig
from cirray.batches.colour import ColourJitter, ColourJitterConfig
from cirray.batches.crop import RandomCrop, RandomCropConfig, ResizedCrop, ResizedCropConfig
from cirray.batches.flip import HorizontalFlip, HorizontalFlipConfig
from cirray.batches.pairs import AttributePairs, AttributePairsConfig, CaptionPairs, CaptionPairsConfig
from cirray.batches.pool import Examples, Items, Pool, TextUse
from cirray.batches.sampler import Sampler, samplers
from cirray.batches.shuffle import SameReference, SameReferenceConfig, Shuffle, ShuffleConfig

__all__ = [
    "AttributePairs",
    "AttributePairsConfig",
    "Augmentation",
    "AugmentationConfig",
    "CaptionPairs",
    "CaptionPairsConfig",
    "Captions",
    "CaptionsConfig",
    "CategoryPure",
    "CategoryPureConfig",
    "ColourJitter",
    "ColourJitterConfig",
    "Examples",
    "HorizontalFlip",
    "HorizontalFlipConfig",
    "Items",
    "Pictures",
    "Pool",
    "RandomCrop",
    "RandomCropConfig",
    "ResizedCrop",
    "ResizedCropConfig",
    "SameReference",
    "SameReferenceConfig",
    "Sampler",
    "Shuffle",
    "ShuffleConfig",
    "TextUse",
    "augment",
    "augmentations",
    "samplers",
]
