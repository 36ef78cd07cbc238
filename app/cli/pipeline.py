"""`yoloqat pipeline NAME|FILE` and `pipelines`"""

import argparse
import shlex
import textwrap
from collections.abc import Sequence

from app.cli.commands import Handlers
from app.cli.executor import add_engine_python, add_slurm, chosen_executor
from app.cli.output import columns, print_json, say, say_workspace, table
from app.cli.run import follow_up
from app.cli.schedule import add_schedule, chosen_schedule
from engine.contracts.errors import YoloqatError
from engine.contracts.spec import RunSpec
from engine.pipelines.pipeline import Pipeline


def _add_pipeline(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pipeline", metavar="NAME|FILE", help="a name that `yoloqat pipelines` lists, or a YAML file")
    parser.add_argument(
        "--set", dest="settings", metavar="INPUT=VALUE", action="append", default=[], help="set an input"
    )
    parser.add_argument("--name", help="name the group of runs; a number is appended if it is in use")
    parser.add_argument("--dry-run", action="store_true", help="check the pipeline and print its command lines")
    parser.add_argument("-f", "--follow", action="store_true", help="follow the steps until all have ended")
    add_schedule(parser.add_argument_group("time and retries, of each step that does not set its own"))
    add_engine_python(parser)
    add_slurm(parser)


def _launch(arguments: argparse.Namespace) -> int:
    """Launch all steps of a pipeline; the runner of each waits for the steps that it needs."""
    from app.launching.pipelines import launch_pipeline, load_pipeline, plan_pipeline
    from app.launching.schedule import with_limits
    from app.workspace.open import open_workspace
    from engine.supervise.slurm.script import resource_flags

    schedule = chosen_schedule(arguments)
    pipeline = with_limits(load_pipeline(arguments.pipeline), schedule)
    overrides = dict(_assignment(text) for text in arguments.settings)
    executor, slurm = chosen_executor(arguments)
    schedule.require_local(slurm if (executor or pipeline.executor) == "slurm" else None)
    workspace = open_workspace(arguments.workspace)
    say_workspace(workspace)
    if arguments.dry_run:
        planned = plan_pipeline(
            workspace,
            pipeline,
            overrides,
            name=arguments.name,
            executor=executor,
            slurm=slurm,
            engine_python=arguments.engine_python,
        )
        for spec in planned:
            parents = f" (after {_parents(spec, planned)})" if spec.parents else ""
            submission = "" if spec.slurm is None else f"# {shlex.join(['sbatch', *resource_flags(spec.slurm)])} …\n"
            print(f"# {spec.name}{parents}\n{submission}{shlex.join(spec.command)}")
        return 0
    specs = launch_pipeline(
        workspace,
        pipeline,
        overrides,
        name=arguments.name,
        executor=executor,
        slurm=slurm,
        engine_python=arguments.engine_python,
        not_before=schedule.not_before,
    )
    follow_up(workspace)
    print(_run_table(specs), flush=True)
    if arguments.follow:
        from app.cli.follow_group import follow_group

        return follow_group(workspace, specs)
    group = specs[0].group
    say(f"launched; list: `yoloqat ls`, results: `yoloqat compare {group}`, stop: `yoloqat stop {group}`")
    return 0


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise YoloqatError(f"{text!r} has no `=`", where="--set", hint="Write --set NAME=VALUE.")
    return name.strip(), value


def _run_table(specs: Sequence[RunSpec]) -> str:
    return table(["RUN", "ID", "STEP", "WAITS FOR"], [[s.name, s.id, s.step or "", _parents(s, specs)] for s in specs])


def _parents(spec: RunSpec, specs: Sequence[RunSpec]) -> str:
    names = {other.id: other.step or other.name for other in specs}
    return ", ".join(names.get(parent, parent) for parent in spec.parents)


def _add_pipelines(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print names, steps and inputs as JSON")


def _list(arguments: argparse.Namespace) -> int:
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
            {"name": name, "help": entry.help, "required": entry.is_required, "default": entry.default}
            for name, entry in pipeline.inputs.items()
        ],
    }


def _text(pipeline: Pipeline) -> str:
    lines = [f"{pipeline.name}: {' → '.join(pipeline.order())}", f"  {pipeline.description}"]
    for name, entry in pipeline.inputs.items():
        default = "(required)" if entry.is_required else f"(default: {entry.default})" if entry.default != "" else ""
        lines.append(f"  --set {name}=…  {entry.help} {default}".rstrip())
    return "\n".join(
        textwrap.fill(line, columns(), subsequent_indent="      ", break_long_words=False) for line in lines
    )


COMMANDS = {"pipeline": Handlers(_add_pipeline, _launch), "pipelines": Handlers(_add_pipelines, _list)}
