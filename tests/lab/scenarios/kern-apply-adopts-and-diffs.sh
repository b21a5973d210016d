# SPDX-License-Identifier: MIT
about="Kernel state of ours is made, adopted, watched and repaired; what is not ours stays as it is"
needs="wireguard veth rules"
deadline=480

# Makes its own namespaces, which end with it.
output=$LAB_OUT/kern_real.tap
expect "the kernel layer holds on this kernel" \
	bash -c "'$LAB_BUILD/tests/lab/kern_real' >'$output' 2>&1 || { grep -v '^ok' '$output'; false; }"
grep '^#' "$output" | while read -r line; do
	say "$line"
done
expect_eq "tests that were skipped" 0 "$(grep -c '# SKIP' "$output" || :)"
expect_ge "tests that ran" 12 "$(grep -c '^ok' "$output" || :)"
