# SPDX-License-Identifier: MIT
about="Needs a kernel that is the lab's own"
needs="guest"
deadline=20
expect "the root file system is the guest's" grep -q '^root / overlay ' /proc/mounts
