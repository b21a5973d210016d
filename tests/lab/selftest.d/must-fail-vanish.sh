# SPDX-License-Identifier: MIT
about="The player itself dies: no result"
deadline=20
expect "true is true" true
# in a subshell $$ is still the player
kill -KILL $$
until_ok 10 "never" false
