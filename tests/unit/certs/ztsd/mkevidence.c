/* SPDX-License-Identifier: MIT */
#include "tests/unit/certs/ztsd/mkevidence.h"

#include <openssl/bio.h>
#include <openssl/cms.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void need(bool ok)
{
	if (!ok) {
		fprintf(stderr, "mkevidence: cannot be made\n");
		abort();
	}
}

void mkevidence_document(const struct athenz_document *d, char ret[static MKEVIDENCE_DOCUMENT_MAX])
{
	time_t t = (time_t)d->pending_wall;
	char when[32];
	struct tm tm;

	need(gmtime_r(&t, &tm) && strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm) > 0);
	snprintf(ret, MKEVIDENCE_DOCUMENT_MAX,
		 "{\n  \"accountId\" : \"%s\",\n  \"architecture\" : \"x86_64\",\n"
		 "  \"instanceId\" : \"%s\",\n  \"pendingTime\" : \"%s\",\n"
		 "  \"privateIp\" : %s%s%s,\n  \"region\" : \"%s\",\n"
		 "  \"version\" : \"2017-09-30\"\n}",
		 d->account, d->instance_id, when, d->private_ip[0] ? "\"" : "",
		 d->private_ip[0] ? d->private_ip : "null", d->private_ip[0] ? "\"" : "",
		 d->region);
}

char *mkevidence_sign(const struct excert *aws, const char *document)
{
	BIO *in = BIO_new_mem_buf(document, -1), *base64 = BIO_new(BIO_f_base64());
	BIO *out = BIO_new(BIO_s_mem());
	CMS_ContentInfo *cms;
	char *text, *bytes;
	long len;

	need(in && base64 && out);
	cms = CMS_sign(aws->cert, aws->key, NULL, in, CMS_BINARY | CMS_NOCERTS);
	need(cms && i2d_CMS_bio(BIO_push(base64, out), cms) && BIO_flush(base64) == 1);
	len = BIO_get_mem_data(out, &bytes);
	text = strndup(bytes, (size_t)len);
	need(text != NULL);
	CMS_ContentInfo_free(cms);
	BIO_free(in);
	BIO_free_all(base64);
	return text;
}

char *mkevidence_encode(const struct athenz_evidence *e)
{
	char *text = NULL;

	need(athenz_encode_evidence(e, &text) == 0);
	return text;
}
