# SPDX-License-Identifier: MIT
about="Nothing is expected"
deadline=20
true
