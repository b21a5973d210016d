# SPDX-License-Identifier: MIT
about="A scenario that ends between its promises has not kept those that it did not reach"
needs=""

holds()
{
	expect "something" true
}

promise cut-first "This one holds" holds
false
promise cut-second "This one is never reached" holds
