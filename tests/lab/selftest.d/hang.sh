# SPDX-License-Identifier: MIT
about="Hangs until the runner itself is stopped"
needs="veth"
ns a
build_net
spawn a sleeper sleep 600
mkdir "/run/${LAB_PREFIX}left"
expect "true is true" true
sleep 600
