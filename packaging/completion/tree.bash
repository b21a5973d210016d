# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# bash completion for ./check and ./demo of a source tree. Not installed: . packaging/completion/tree.bash

_postern_check_names()
{
	local tree=$1
	case $2 in
	lab) "$tree/tests/lab/run" -l | grep -E '^[^[:space:]]' ;;
	unit) sed -nE "s/^[[:space:]]*\{'path': '([^']+)'.*/\1/p" "$tree/tests/unit/meson.build" ;;
	fuzz) sed -nE "s/^[[:space:]]*\{'name': '([^']+)'.*/\1/p" "$tree/tests/fuzz/meson.build" ;;
	esac
}

_postern_check()
{
	local tree words
	tree=$(dirname "$1")
	words=$("$1" --help | sed -nE 's/^  ([a-z]+)[[:space:]].*/\1/p')" --help"
	[ "$COMP_CWORD" = 1 ] || words=$(_postern_check_names "$tree" "${COMP_WORDS[1]}")
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$2")
}

_postern_demo()
{
	mapfile -t COMPREPLY < <(compgen -W "$(bash "$(dirname "$1")/tests/lab/demo.sh" --help |
		grep -oE -- '--[a-z][a-z-]*' | sort -u)" -- "$2")
}

complete -F _postern_check check
complete -F _postern_demo demo
