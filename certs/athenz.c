/* SPDX-License-Identifier: MIT */
#include "certs/athenz.h"

#include <errno.h>

int athenz_encode_request(const struct athenz_request *in, bool registering, char **ret)
{
	return -ENOSYS;
}

int athenz_decode_request(const char *bytes, size_t len, bool registering,
			  struct athenz_request *ret, struct athenz_problem *ret_problem)
{
	return -ENOSYS;
}

void athenz_request_release(struct athenz_request *r)
{
}

int athenz_encode_identity(const struct athenz_identity *in, char **ret)
{
	return -ENOSYS;
}

int athenz_decode_identity(const char *bytes, size_t len, struct athenz_identity *ret)
{
	return -ENOSYS;
}

void athenz_identity_release(struct athenz_identity *i)
{
}

int athenz_encode_error(const struct athenz_error *in, char **ret)
{
	return -ENOSYS;
}

void athenz_decode_error(const char *bytes, size_t len, struct athenz_error *ret)
{
}

enum pst athenz_classify(unsigned int status, const char *message)
{
	return PST_NONE;
}

int athenz_encode_evidence(const struct athenz_evidence *in, char **ret)
{
	return -ENOSYS;
}

int athenz_decode_evidence(const char *bytes, size_t len, struct athenz_evidence *ret)
{
	return -ENOSYS;
}

void athenz_evidence_release(struct athenz_evidence *e)
{
}

int athenz_decode_document(const char *bytes, size_t len, struct athenz_document *ret)
{
	return -ENOSYS;
}

int athenz_decode_credentials(const char *bytes, size_t len, struct athenz_evidence *ret)
{
	return -ENOSYS;
}

int athenz_decode_profile(const char *bytes, size_t len, char *ret, size_t cap)
{
	return -ENOSYS;
}
