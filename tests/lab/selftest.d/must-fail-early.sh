# SPDX-License-Identifier: MIT
about="Ends before its last line"
deadline=20
expect "true is true" true
exit 0
