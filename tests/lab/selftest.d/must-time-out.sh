# SPDX-License-Identifier: MIT
about="Hangs, with processes in its namespaces"
deadline=2
ns a
build_net
spawn a sleeper sleep 600
at=$(mktemp -d "/run/${LAB_PREFIX}XXXXXX")
mount -t tmpfs lab-left "$at"
: >"$at/left"
expect "true is true" true
sleep 600
