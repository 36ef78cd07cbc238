"""Lays our packages into the folder `_yoloqat` of a wheel; pyproject.toml says everything else.

setuptools does this best of what was tried: its editable install of packages in another place maps `yoloqat` and
`_yoloqat` alone, so that nothing called `app`, `db` or `engine` can be imported from outside. hatchling refuses an
editable install with such a mapping (`sources`), and its `dev-mode-dirs` puts the whole tree on everybody's path.
Packages cannot be both searched for and mapped in pyproject.toml, hence this file.
"""

from setuptools import find_namespace_packages, setup

FOLDER = "_yoloqat"
TREES = ("app", "configs", "db", "engine")

setup(
    packages=[
        f"{FOLDER}.{package}"
        for tree in TREES
        for package in find_namespace_packages(include=[tree, f"{tree}.*"])  # configs has no __init__.py
    ],
    package_dir={"": ".", **{f"{FOLDER}.{tree}": tree for tree in TREES}},
)
