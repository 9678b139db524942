"""The page that people use: photos dropped and watched, one photo's story, review, and how the model is doing."""
