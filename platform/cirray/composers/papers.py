"""The papers that more than one method is from."""

from __future__ import annotations

from cirray.composers.composer import Paper

TIRG = Paper("Vo et al.", "Composing Text and Image for Image Retrieval: An Empirical Odyssey", "CVPR", 2019)
