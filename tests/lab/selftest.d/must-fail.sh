# SPDX-License-Identifier: MIT
about="An expectation that does not hold"
deadline=20
ns a
build_net
expect "true is true" true
expect "something that does not hold" on a bash -c 'echo the reason; exit 3'
