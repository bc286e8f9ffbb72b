"""Everything that touches media files: probing, decoding, sampling, audio, encoding. PyAV only."""
