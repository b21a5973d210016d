# SPDX-License-Identifier: MIT
about="The same in a namespace"
deadline=20
ns a
build_net
refute "nothing" on a nosuchprogram
