# SPDX-License-Identifier: MIT
about="Hangs, with processes in its namespaces"
deadline=2
ns a
build_net
spawn a sleeper sleep 600
expect "true is true" true
sleep 600
