"""From histograms of activations to ranges: calibrators and the search over them."""
