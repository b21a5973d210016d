# SPDX-License-Identifier: MIT
about="A refuted command that cannot be run proves nothing"
deadline=20
refute "nothing" nosuchprogram
