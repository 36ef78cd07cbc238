"""Evaluation of models: NMS, P, R and AP, pycocotools, the evaluation loop and its rows."""
