"""``lokki-tf completion``: completion of commands and options in bash, zsh and fish.

The scripts complete ``lokki-tf`` as click's own do. They also complete ``python FILE.py``, if the
file names ``lokki_tf`` and has a line that calls ``main`` with an argument. The file is run for
that, with a variable in whose presence :func:`lokki_tf.cli.commands.main` prints completions. For
other files, what the shell had before applies.
"""

from __future__ import annotations

import os
from pathlib import Path

import click
from click.shell_completion import get_completion_class

from lokki_tf.cli.common import COMPLETION_VARIABLE

_BASH = """
# Completion of: python pipeline.py …
if declare -F _comp_load >/dev/null; then _comp_load -- python 2>/dev/null
elif declare -F __load_completion >/dev/null; then __load_completion python 2>/dev/null
fi
_lokki_tf_before=$(complete -p python 2>/dev/null | sed -n 's/.* -F \\([^ ]*\\) .*/\\1/p')
[[ $_lokki_tf_before == _lokki_tf_pipeline ]] && _lokki_tf_before=

_lokki_tf_pipeline() {
    local file=${COMP_WORDS[1]} kind value
    if [[ $COMP_CWORD -lt 2 || $file != *.py || ! -f $file ]] ||
        ! grep -q lokki_tf -- "$file" || ! grep -qE 'CALL' -- "$file"; then
        [[ -n $_lokki_tf_before ]] && "$_lokki_tf_before" "$@"
        return
    fi
    COMPREPLY=()
    while IFS=, read -r kind value; do
        case $kind in
            plain) COMPREPLY+=("$value") ;;
            dir) compopt -o dirnames 2>/dev/null ;;
            file) compopt -o default 2>/dev/null ;;
        esac
    done < <(COMP_WORDS="${COMP_WORDS[*]:1}" COMP_CWORD=$((COMP_CWORD - 1)) \\
        VARIABLE=bash_complete "${COMP_WORDS[0]}" "$file" 2>/dev/null)
}
complete -o bashdefault -o nosort -F _lokki_tf_pipeline python python3
"""
_ZSH = """
# Completion of: python pipeline.py …
_lokki_tf_pipeline() {
    local file=${words[2]} kind value text
    local -a plain described lines
    if (( CURRENT < 3 )) || [[ $file != *.py || ! -f $file ]] ||
        ! grep -q lokki_tf -- $file || ! grep -qE 'CALL' -- $file; then
        if (( $+functions[_python] )); then _python "$@"; else _files; fi
        return
    fi
    lines=("${(@f)$(COMP_WORDS="${words[2,-1]}" COMP_CWORD=$((CURRENT - 2)) \\
        VARIABLE=zsh_complete ${words[1]} $file 2>/dev/null)}")
    for kind value text in "${lines[@]}"; do
        case $kind in
            plain) [[ $text == _ ]] && plain+=("$value") || described+=("$value:$text") ;;
            dir) _path_files -/ ;;
            file) _path_files -f ;;
        esac
    done
    (( $#described )) && _describe -V unsorted described -U
    (( $#plain )) && compadd -U -V unsorted -a plain
}
compdef _lokki_tf_pipeline python python3
"""
_FISH = """
# Completion of: python pipeline.py …
function __lokki_tf_is_pipeline
    set -l words (commandline -opc)
    test (count $words) -gt 1; or return 1
    string match -q -- '*.py' $words[2]; and test -f $words[2]; or return 1
    grep -q lokki_tf -- $words[2]; and grep -qE 'CALL' -- $words[2]
end

function __lokki_tf_pipeline
    set -l words (commandline -opc)
    set -l typed (commandline -cp | string replace -r '^\\\\s*\\\\S+\\\\s+' '')
    env VARIABLE=fish_complete COMP_WORDS=$typed COMP_CWORD=(commandline -t) \\
        $words[1] $words[2] 2>/dev/null | while read -l line
        set -l parts (string split -m 1 , -- $line)
        switch $parts[1]
            case plain
                echo -- $parts[2]
            case dir
                __fish_complete_directories $parts[2]
            case file
                __fish_complete_path $parts[2]
        end
    end
end
for command in python python3
    complete --command $command --condition __lokki_tf_is_pipeline --no-files --arguments \
'(__lokki_tf_pipeline)'
end
"""
_CALL = r"^[[:space:]]*(lokki_tf\.)?main\([^)]"
_PIPELINES = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
_PROGRAM = "lokki-tf"


@click.command("completion")
@click.argument("shell", type=click.Choice(list(_PIPELINES)), required=False)
@click.pass_context
def completion_command(context: click.Context, shell: str | None) -> None:
    """Print the script with which a shell completes lokki-tf, and python pipeline.py.

    \b
    bash  add to ~/.bashrc: source <(lokki-tf completion bash)
    zsh   add to ~/.zshrc, after compinit: source <(lokki-tf completion zsh)
    fish  lokki-tf completion fish > ~/.config/fish/completions/python.fish

    A Python file is completed if it names lokki_tf and has a line main(…). It is run for that.
    SHELL is by default that of the variable SHELL.
    """
    shell = shell or Path(os.environ.get("SHELL", "")).name
    if shell not in _PIPELINES:
        raise click.UsageError(f"name a shell: {', '.join(_PIPELINES)}; SHELL is {shell!r}")
    kind = get_completion_class(shell)
    assert kind is not None
    variable = f"_{_PROGRAM}_COMPLETE".replace("-", "_").upper()
    made = kind(context.find_root().command, {}, _PROGRAM, variable)
    click.echo(made.source())
    own = _PIPELINES[shell].replace("VARIABLE", COMPLETION_VARIABLE)
    click.echo(own.replace("CALL", _CALL))
