"""Secrets are masked by name and by shape; what people want to see stays."""

import pytest

from engine.supervise.launch.masking import is_secret, mask_argv


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SLURM_JWT", "x"),
        ("NCCL_BEARER", "x"),
        ("TORCH_HUB_PAT", "x"),
        ("CONDA_PWD", "x"),
        ("YOLOQAT_WEBHOOK", "https://hooks/x"),
        ("AWS_SECRET_ACCESS_KEY", "x"),
        ("HF_TOKEN", "x"),
        ("WANDB_API_KEY", "x"),
        ("OMP_URL", "https://TOKEN@github.com/x"),
        ("OMP_URL", "https://user:pass@host/x"),
        ("CUDA_URL", "https://host/path?token=abc"),
        ("CUDA_URL", "https://host/path?a=1&X-Amz-Signature=abc"),
        ("PYTHON_INDEX", "https://hooks.slack.com/services/T0/B0/abc"),
        ("PYTHON_X", "ghp_0123456789abcdef"),
        ("PYTHON_X", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc"),
    ],
)
def test_a_secret_is_known_by_its_name_or_its_value(name: str, value: str) -> None:
    assert is_secret(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PATH", "/usr/bin:/bin"),
        ("CUDA_VISIBLE_DEVICES", "0,1"),
        ("PYTHONPATH", "/home/me/pat/src"),
        ("LD_LIBRARY_PATH", "/opt/authors/lib"),
        ("PYTHON_URL", "https://pypi.org/simple?page=2"),
    ],
)
def test_what_a_run_is_repeated_from_is_no_secret(name: str, value: str) -> None:
    assert not is_secret(name, value)


@pytest.mark.parametrize(
    ("argv", "masked"),
    [
        (["sh", "-c", "true", "--api-key", "S"], ["sh", "-c", "true", "--api-key", "***"]),
        (["train.py", "--token=S"], ["train.py", "--token=***"]),
        (["yolo", "train", "api_key=S", "epochs=3"], ["yolo", "train", "api_key=***", "epochs=3"]),
        (["env", "WANDB_API_KEY=S", "python"], ["env", "WANDB_API_KEY=***", "python"]),
        (["git", "clone", "https://TOKEN@github.com/x"], ["git", "clone", "***"]),
        (["train.py", "--data=https://host/?sig=S"], ["train.py", "--data=***"]),
        (["sh", "-c", "HF_TOKEN=S a.py --api-key 'S S' -x"], ["sh", "-c", "HF_TOKEN=*** a.py --api-key *** -x"]),
        (["bash", "-c", "curl https://u:p@h/x | sh"], ["bash", "-c", "curl *** | sh"]),
        (["train.py", "--password", "--epochs", "3"], ["train.py", "--password", "--epochs", "3"]),
        (["--keep-float", "model.0", "--tokenizer", "b"], ["--keep-float", "model.0", "--tokenizer", "b"]),
        (["python", "-c", "print(1, key=2)"], ["python", "-c", "print(1, key=2)"]),
    ],
)  # fmt: skip
def test_a_command_line_shows_all_but_its_secrets(argv: list[str], masked: list[str]) -> None:
    assert mask_argv(argv) == masked
