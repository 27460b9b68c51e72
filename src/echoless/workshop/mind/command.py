"""`echoless mind`: from a folder of text to talking with one's own model. Each command lives in a module of its own."""

from __future__ import annotations

from importlib import import_module, util

import typer

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="A mind of your own: collect text, clean it, train, judge, export to GGUF, talk to it.",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _group() -> None: ...


# Name, module with a Typer `app` of one command, what it is. Imported when it is run: `--help` stays quick.
COMMANDS = (
    ("collect", "echoless.workshop.mind.collect_command", "Gather talk from files into one form."),
    ("clean", "echoless.workshop.mind.clean_command", "Take out what should not be learnt, and say what and why."),
    ("train", "echoless.workshop.mind.train_command", "Train a model on it: LoRA, all weights, or from scratch."),
    ("judge", "echoless.workshop.mind.judge_command", "Measure a model, before and after."),
    ("export", "echoless.workshop.mind.export_command", "Write a trained model as GGUF."),
    ("verify", "echoless.workshop.mind.verify_command", "Hold a GGUF against the model it came from."),
    ("try", "echoless.workshop.mind.try_command", "Talk to a GGUF file, by voice or keyboard."),
)


def _mount(name: str, module: str, what: str) -> None:
    def run(context: typer.Context) -> None:
        program = typer.main.get_command(import_module(module).app)
        code = program.main(context.args, prog_name=f"echoless mind {name}", standalone_mode=False)
        raise typer.Exit(code or 0)

    settings = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
    app.command(name, help=what, context_settings=settings)(run)


for each in COMMANDS:
    if util.find_spec(each[1]) is not None:
        _mount(*each)
