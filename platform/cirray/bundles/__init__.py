"""The model artifact: weights, configuration, preprocessing, vocabulary and provenance."""

from cirray.bundles.bundle import Bundle, BundleDescription, save_bundle

__all__ = ["Bundle", "BundleDescription", "save_bundle"]
