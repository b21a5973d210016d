# SPDX-License-Identifier: MIT
about="Needs what no kernel has"
needs="perpetual-motion"
deadline=20
expect "true is true" true
