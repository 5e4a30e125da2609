"""Encoders of pictures and texts, tokenisers and word vectors. Importing this package registers them all."""

from cirray.encoders import images, splitting, texts, words
from cirray.encoders.features import ImageFeatures, ImageShape, MapShape, TextFeatures, TextShape
from cirray.encoders.image_encoder import ImageEncoder, image_encoders
from cirray.encoders.initial_weights import no_initial_weights
from cirray.encoders.preprocessing import Preprocessing
from cirray.encoders.text_encoder import TextEncoder, text_encoders
from cirray.encoders.tokenizer import tokenizers
from cirray.encoders.vocabulary import Vocabulary
from cirray.encoders.word_vectors import word_vectors

__all__ = [
    "ImageEncoder",
    "ImageFeatures",
    "ImageShape",
    "MapShape",
    "Preprocessing",
    "TextEncoder",
    "TextFeatures",
    "TextShape",
    "Vocabulary",
    "image_encoders",
    "images",
    "no_initial_weights",
    "splitting",
    "text_encoders",
    "texts",
    "tokenizers",
    "word_vectors",
    "words",
]
