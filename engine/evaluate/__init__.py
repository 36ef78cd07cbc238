"""How good is a model: suppression of double detections, P, R and AP, pycocotools, the evaluation loop."""
