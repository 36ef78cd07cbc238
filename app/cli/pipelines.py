"""`yoloqat pipelines`"""

import argparse
import textwrap

from app.cli.output import columns, print_json
from engine.pipelines.pipeline import Pipeline


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--json", action="store_true", help="name, steps and inputs as JSON")


def call(arguments: argparse.Namespace) -> int:
    """List the pipelines that can be launched by name."""
    from app.launching.pipelines import list_pipelines, load_pipeline

    pipelines = [load_pipeline(summary.path) for summary in list_pipelines()]
    if arguments.json:
        print_json({"schema": 1, "pipelines": [_as_json(pipeline) for pipeline in pipelines]})
        return 0
    print("\n\n".join(_text(pipeline) for pipeline in pipelines))
    return 0


def _as_json(pipeline: Pipeline) -> dict[str, object]:
    return {
        "name": pipeline.name,
        "description": pipeline.description,
        "path": pipeline.path,
        "steps": pipeline.order(),
        "inputs": [
            {"name": name, "help": given.help, "required": given.is_required, "default": given.default}
            for name, given in pipeline.inputs.items()
        ],
    }


def _text(pipeline: Pipeline) -> str:
    lines = [f"{pipeline.name}: {' → '.join(pipeline.order())}", f"  {pipeline.description}"]
    for name, given in pipeline.inputs.items():
        default = "(required)" if given.is_required else f"(default: {given.default})" if given.default != "" else ""
        lines.append(f"  --set {name}=…  {given.help} {default}".rstrip())
    return "\n".join(
        textwrap.fill(line, columns(), subsequent_indent="      ", break_long_words=False) for line in lines
    )
