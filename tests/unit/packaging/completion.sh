#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Sources the bash completions and asks them, the way readline does: completion.sh TREE BUILD

tree=$1 build=$2
cd "$tree" || exit 1
number=0 failed=0
declare -A program=()

# asked WORD…: fills COMPREPLY for the last word, with the function that is registered for the first.
asked()
{
	local function
	function=$(complete -p "${1##*/}" 2>/dev/null | sed -n 's/.* -F \([^ ]*\) .*/\1/p')
	COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
	COMPREPLY=()
	"${function:-false}" "$1" "${*: -1}" "${COMP_WORDS[COMP_CWORD - 1]}"
}

# is WHAT WANTED GOT
is()
{
	number=$((number + 1))
	if [ "$2" = "$3" ]; then
		echo "ok $number - $1"
	else
		echo "not ok $number - $1"
		printf '# wanted: %s\n# got:    %s\n' "${2//$'\n'/ }" "${3//$'\n'/ }"
		failed=1
	fi
}

# gives WORDS WANTED…: the answer holds exactly these, in any order.
gives()
{
	local words=() wanted
	read -r -a words <<<"$1"
	wanted=$(printf '%s\n' "${@:2}" | sort)
	[ "${1% }" = "$1" ] || words+=("")
	asked "${words[@]}"
	is "${1#"$build"/}" "$wanted" "$(printf '%s\n' "${COMPREPLY[@]}" | sort)"
}

options_of()
{
	"$@" --help | grep -oE -- '--[a-z][a-z-]*' | sort -u
}

# shellcheck source-path=SCRIPTDIR/../../.. source=packaging/completion/postern
. packaging/completion/postern
# shellcheck source-path=SCRIPTDIR/../../.. source=packaging/completion/tree.bash
. packaging/completion/tree.bash

# What people call by name, as meson installs it: "name path" in each line.
installed()
{
	python3 -c 'import json, sys
for target in json.load(open(sys.argv[1] + "/meson-info/intro-targets.json")):
    if target["type"] == "executable" and target["installed"]:
        if "/libexec/" not in target["install_filename"][0]:
            print(target["name"], target["filename"][0])' "$build"
}

while read -r name file; do
	program[$name]=$file
	mapfile -t options < <(options_of "$file")
	gives "$file --" "${options[@]}"
	is "$name has options" yes "$([ ${#options[@]} -gt 1 ] && echo yes)"
done < <(installed)

mapfile -t options < <(options_of "${program[postern]}")
gives "${program[postern]} " status explain "${options[@]}"
gives "${program[postern]} stat" status
gives "${program[postern]} status --js" --json
gives "${program[postern]} status --run-dir tests/su" tests/support
gives "${program[postern]} status --config docs/layers" docs/layers.txt
gives "${program[postern]} status --state-dir docs/layers" ""
gives "${program[postern]} status --no-such" ""
mapfile -t options < <(options_of "${program[certd]}")
gives "${program[certd]} " status renew "${options[@]}"
gives "${program[certd]} renew --js" --json
gives "${program[ztsd]} in" init
gives "${program[ztsd]} init --dir tests/su" tests/support
gives "${program[ztsctl]} dom" domain
gives "${program[ztsctl]} re" remove reset revoke

gives "./check l" lint lab
gives "./check lint" lint
gives "./check unit common/wi" common/wire
gives "./check lab kernel-has" kernel-has-what-we-need
gives "./demo --j" --json

echo "1..$number"
exit $failed
