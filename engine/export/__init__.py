"""ONNX files from float and quantized models, and the checks that they say what the model says."""
