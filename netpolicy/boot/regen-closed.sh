#!/bin/sh
# SPDX-License-Identifier: MIT
# Compiles closed.nft with the netpolicy of the build folder and writes closed.c (or, with --check as
# the last argument, compares). Usage: regen-closed.sh NETPOLICY SOURCE-FOLDER [--check]
set -eu
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
POSTERN_LIBEXECDIR=$(cd "$(dirname "$1")" && pwd)
export POSTERN_LIBEXECDIR
"$1" compile --text "$2/closed.nft" -o "$scratch/closed.batch"
"$2/closed-array.py" "$scratch/closed.batch" "$2/closed.c" ${3:+"$3"}
