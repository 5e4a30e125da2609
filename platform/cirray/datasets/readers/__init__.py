"""Readers of raw sources, one file a benchmark, each in its official layout. Importing registers them all."""
