"""Quantization-aware fine-tuning: distillation, learned ranges, NVIDIA's schedule."""
