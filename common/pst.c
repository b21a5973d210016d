/* SPDX-License-Identifier: MIT */
#include "common/pst.h"

#include "common/attr.h"

static const struct pst_info pst_list[] = {
#define PST(number, name, text, cause, action) { PST_##name, #name, text, cause, action },
#include "common/pst.def"
#undef PST
};

const struct pst_info *pst_find(unsigned int code)
{
	for (size_t i = 0; i < ARRAY_SIZE(pst_list); i++)
		if ((unsigned int)pst_list[i].code == code)
			return &pst_list[i];
	return NULL;
}

const char *pst_text(unsigned int code)
{
	const struct pst_info *info = pst_find(code);

	return info ? info->text : "unknown code";
}

const struct pst_info *pst_all(size_t *ret_n)
{
	*ret_n = ARRAY_SIZE(pst_list);
	return pst_list;
}
