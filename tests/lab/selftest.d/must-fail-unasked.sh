# SPDX-License-Identifier: MIT
about="A command that fails in the middle"
deadline=20
expect "true is true" true
ls /nonexistent
expect "never reached" true
