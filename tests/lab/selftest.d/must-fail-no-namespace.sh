# SPDX-License-Identifier: MIT
about="A refuted command in a namespace that is not there"
deadline=20
refute "nothing" on nowhere false
