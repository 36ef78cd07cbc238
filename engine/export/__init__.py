"""Export float and quantized models to ONNX, check the files against the model, and time them."""
