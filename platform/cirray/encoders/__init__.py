"""Encoders of pictures and texts. Importing this package registers them all."""

from cirray.encoders.features import ImageFeatures, ImageShape, MapShape, TextFeatures, TextShape
from cirray.encoders.image import ImageEncoder, image_encoders
from cirray.encoders.lstm import Lstm, LstmConfig
from cirray.encoders.preprocessing import Preprocessing
from cirray.encoders.small_cnn import SmallCnn, SmallCnnConfig
from cirray.encoders.text import TextEncoder, text_encoders
from cirray.encoders.tokenizer import tokenizers
from cirray.encoders.vocabulary import Vocabulary

__all__ = [
    "ImageEncoder",
    "ImageFeatures",
    "ImageShape",
    "Lstm",
    "LstmConfig",
    "MapShape",
    "Preprocessing",
    "SmallCnn",
    "SmallCnnConfig",
    "TextEncoder",
    "TextFeatures",
    "TextShape",
    "Vocabulary",
    "image_encoders",
    "text_encoders",
    "tokenizers",
]
