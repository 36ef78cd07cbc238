"""Check every image and label file of a split once, and cache the labels."""

from dataclasses import dataclass, field

import numpy as np

from engine.console.tqdm_bar import Bar
from engine.contracts.errors import YoloqatError
from engine.data.config import DataConfig
from engine.data.scanning.label_cache import LabelCache
from engine.data.scanning.labeled import LabeledImages, assemble
from engine.data.scanning.labels import LabelRows, parse_labels
from engine.data.scanning.listing import label_paths, list_images
from engine.data.scanning.verify import image_size

MISTAKES_SHOWN = 10
MAX_MISTAKES = 1000
"""The scan ends after so many."""


@dataclass
class _Findings:
    """Labels, counts and mistakes, collected over the files of a split."""

    rows: list[LabelRows] = field(default_factory=list)
    sizes: list[tuple[int, int]] = field(default_factory=list)
    missing: int = 0
    empty: int = 0
    corrupt: int = 0
    mistakes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def text(self) -> str:
        label_file_count = len(self.rows) - self.missing
        return format_counts(label_file_count, self.missing, self.empty, self.corrupt)


def format_counts(label_file_count: int, missing: int, empty: int, corrupt: int) -> str:
    return f"{label_file_count} found, {missing} missing, {empty} empty, {corrupt} corrupted"


def scan(config: DataConfig, split: str, *, single_cls: bool = False) -> LabeledImages:
    """Check and read all labels of a split, or read the cache beside them if no file has changed.

    Shows YOLOv7's `Scanning …` bar. Duplicate rows are dropped with a warning; every other mistake is an error.

    Args:
        config: the data set.
        split: `train`, `val` or `test`.
        single_cls: give every label class 0.

    Raises:
        YoloqatError: there are mistakes; the message lists file, line and mistake, up to ten.
    """
    images = list_images(config, split)
    labels = label_paths(images)
    cache = LabelCache.of(config.sources(split)[0], images, labels, config.nc)
    labeled = cache.read(images)
    if labeled is not None:
        counts = format_counts(labeled.label_file_count, labeled.missing, labeled.empty, 0)
        bar: Bar[str] = Bar(desc=f"{split}: Scanning '{cache.path}' images and labels... {counts}", total=len(images))
        bar.update(len(images))
        bar.close()
    else:
        findings = _check_files(images, labels, config.nc, f"{split}: Scanning '{cache.stem}' images and labels... ")
        if findings.mistakes:
            raise _mistakes_error(config, split, findings)
        labeled = assemble(images, np.array(findings.sizes, np.int32), cache.image_bytes, findings.rows)
        labeled.missing, labeled.empty, labeled.warnings = findings.missing, findings.empty, findings.warnings
        if cache.write(labeled):
            print(f"{split}: New cache created: {cache.path}", flush=True)
    for warning in labeled.warnings:
        print(warning, flush=True)
    if single_cls:
        labeled.label_rows = labeled.label_rows.copy()
        labeled.label_rows[:, 0] = 0
    return labeled


def _check_files(images: list[str], labels: list[str], nc: int, desc: str) -> _Findings:
    findings = _Findings()
    with Bar(desc="Scanning images", total=len(images)) as bar:
        for image, label in zip(images, labels, strict=True):
            _check_file_pair(image, label, nc, findings)
            bar.set_description(desc + findings.text())
            bar.update()
            if len(findings.mistakes) >= MAX_MISTAKES:
                break
    return findings


def _check_file_pair(image: str, label: str, nc: int, findings: _Findings) -> None:
    mistakes = []
    size = (0, 0)
    rows = LabelRows(np.zeros((0, 5), np.float32))
    try:
        size = image_size(image)
    except ValueError as error:
        mistakes.append(f"{image}: {error}")
    try:
        with open(label, encoding="utf-8-sig") as file:
            rows = parse_labels(file.read(), nc)
        findings.empty += not len(rows.labels) and not rows.mistakes
    except FileNotFoundError:
        findings.missing += 1
    except (OSError, UnicodeDecodeError) as error:
        mistakes.append(f"{label}: the label file cannot be read: {error}")
    mistakes += [f"{label}:{mistake}" for mistake in rows.mistakes]
    if rows.duplicates:
        findings.warnings.append(f"WARNING: {label}: {rows.duplicates} duplicate rows left out")
    findings.corrupt += bool(mistakes)
    findings.mistakes += mistakes
    findings.rows.append(rows)
    findings.sizes.append(size)


def _mistakes_error(config: DataConfig, split: str, findings: _Findings) -> YoloqatError:
    count = len(findings.mistakes)
    shown_mistakes = findings.mistakes[:MISTAKES_SHOWN]
    more = f"\n  … and {count - len(shown_mistakes)} more" if count > len(shown_mistakes) else ""
    listed = "".join(f"\n  {mistake}" for mistake in shown_mistakes)
    return YoloqatError(
        f"{count} mistake{'s' if count > 1 else ''} in the images and labels of `{split}`:{listed}{more}",
        where=str(config.path),
        hint="Correct or remove these files, or correct `nc` and `names` in the YAML; then start again.",
    )
