"""Methods that noise the image and denoise it."""
