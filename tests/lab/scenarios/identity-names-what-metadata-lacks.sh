# SPDX-License-Identifier: MIT
about="Each way in which instance metadata and STS fail is told by its code, and ends with the fault"
needs="veth"
deadline=240

# shellcheck source=tests/lab/identity.sh
. "$LAB_TREE/tests/lab/identity.sh"

# fault CODE LINES…: certd, asked to renew, says CODE and keeps its pair.
fault()
{
	local before
	before=$(identity_said host1 "$1")
	cloud_set "${@:2}"
	certd_urge host1
	until_ok 40 "${*:2} is PST-$1" identity_said_more host1 "$1" "$before"
	expect "certd is ready all the while" certd_is_ready host1
	cloud_set '# none'
	identity_renew host1
}

postern_timeout_ms=5000
identity_up host1
identity_boot host1
# Not a failure: each answer takes a while.
cloud_set '[instance host1]' 'fault = slow' 'fault_ms = 200' '[cloud]' 'sts_fault = slow' 'sts_fault_ms = 200'
identity_renew host1
refute "a slow answer is a failure" certd_said host1 2
for word in hang token-hangs token-hop; do
	fault 2002 '[instance host1]' "fault = $word"
done
fault '200[24]' '[instance host1]' 'fault = 503'
fault 2003 '[instance host1]' 'fault = token-403'
for word in garbage oversize redirect; do
	fault '200[34]' '[instance host1]' "fault = $word"
done
fault 2005 '[cloud]' 'sts_fault = denied'
fault 2005 '[cloud]' 'sts_fault = expired'
fault 2005 '[cloud]' 'sts_fault = 503'
fault 2005 '[cloud]' 'sts_fault = garbage'
# Only the issuer's question to STS: an attestation that cannot be judged is not a refusal.
fault '200[68]' '[cloud]' 'sts_fault = hang' 'sts_fault_action = GetCallerIdentity'
