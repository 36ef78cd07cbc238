"""Training a quantized model: distillation, learned ranges, NVIDIA's schedule."""
