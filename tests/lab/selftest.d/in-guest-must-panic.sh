# SPDX-License-Identifier: MIT
about="The guest's kernel dies; only run in the guest"
deadline=20
expect "true is true" true
echo c >/proc/sysrq-trigger
