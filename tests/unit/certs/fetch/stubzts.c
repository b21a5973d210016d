/* SPDX-License-Identifier: MIT */
#include "tests/unit/certs/fetch/stubzts.h"

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "certs/athenz.h"
#include "certs/csr.h"
#include "tests/unit/certs/fetch/webstub.h"

#define STUBZTS_SAN_MAX 4096

/* The alternative names of the request in OpenSSL's words, and the instance among them. */
static void stubzts_copy_names(const struct csr *csr, char *ret_san,
			       struct principal_instance *ret_at)
{
	static const char *const kinds[] = {
		[CSR_DNS] = "DNS", [CSR_URI] = "URI", [CSR_IP] = "IP", [CSR_EMAIL] = "email"
	};
	size_t len = 0;

	ret_san[0] = '\0';
	for (size_t i = 0; i < csr->n_names; i++) {
		const char *text = csr->names[i].text;

		len += (size_t)snprintf(ret_san + len, STUBZTS_SAN_MAX - len, "%s%s:%s",
					i ? "," : "", kinds[csr->names[i].kind], text);
		if (principal_parse_instance(text, strlen(text), ret_at) < 0)
			abort();
	}
}

static void stubzts_fill(char **pem, size_t wanted)
{
	size_t len = strlen(*pem);

	if (wanted <= len)
		return;
	*pem = realloc(*pem, wanted + 1);
	if (!*pem)
		abort();
	memset(*pem + len, '\n', wanted - len);
	(*pem)[wanted] = '\0';
}

static void stubzts_sign(const struct stubzts *s, const struct csr *csr, FILE *out)
{
	char san[STUBZTS_SAN_MAX];
	struct principal_instance at = { 0 };
	struct standca_spec spec = { .cn = s->cn ? s->cn : csr->common_name,
				     .eku = s->eku,
				     .from_s = s->from_s,
				     .to_s = s->to_s };
	struct athenz_identity id = { 0 };
	struct standca_pair pair;
	char signer[8192];
	const unsigned char *info = csr->key;
	char *json = NULL;

	if (!s->other_key)
		spec.key = d2i_PUBKEY(NULL, &info, (long)csr->key_len);
	stubzts_copy_names(csr, san, &at);
	spec.san = s->san ? s->san : san;
	standca_issue(s->ca, &spec, &pair);
	EVP_PKEY_free(spec.key);
	stubzts_fill(&pair.cert, s->cert_len);
	snprintf(signer, sizeof(signer), "%s", s->signer ? s->signer : s->ca->pem);
	id.cert = pair.cert;
	id.signer = signer;
	snprintf(id.name, sizeof(id.name), "%s", s->name ? s->name : csr->common_name);
	snprintf(id.provider, sizeof(id.provider), "%s", s->provider ? s->provider : at.provider);
	snprintf(id.instance_id, sizeof(id.instance_id), "%s",
		 s->instance_id ? s->instance_id : at.id);
	if (athenz_encode_identity(&id, &json) < 0)
		abort();
	webstub_reply(out, 201, "Content-Type: application/json\r\n", json);
	free(json);
	standca_free_pair(&pair);
}

bool stubzts_answer(const char *request, FILE *out, void *user)
{
	const struct stubzts *s = user;
	const char *body = webstub_body(request);
	bool registering = !strncmp(request, "POST /zts/v1/instance ", 22);
	struct athenz_problem problem = { "" };
	struct athenz_request rq = { 0 };
	struct csr csr = { 0 };
	const char *why = NULL;

	if (s->hangs)
		return true;
	if (s->status) {
		webstub_reply(out, s->status, s->headers ? s->headers : "", s->body ? s->body : "");
		return false;
	}
	if (athenz_decode_request(body, strlen(body), registering, &rq, &problem) < 0 ||
	    csr_read(rq.csr, strlen(rq.csr), &csr, &why) < 0)
		webstub_reply(out, 400, "", why ? why : problem.text);
	else
		stubzts_sign(s, &csr, out);
	csr_release(&csr);
	athenz_request_release(&rq);
	return false;
}
