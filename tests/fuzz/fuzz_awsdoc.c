/* SPDX-License-Identifier: MIT */
/* The signature of an instance identity document, as anybody can send it to ztsd. Input: "t" and
 * base64, or for the fuzzer's ease "d" and the bytes inside it. The document is always the same. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "certs/ztsd/awsdoc.h"

enum { FUZZ_AWSDOC_MAX = 32768 };

static const char fuzz_awsdoc_document[] =
	"{\n  \"accountId\" : \"123456789012\",\n  \"instanceId\" : \"i-01\"\n}";

/* The signers of the seeds, DSA and EC; their keys are gone. */
static const char fuzz_awsdoc_certs[] =
	"-----BEGIN CERTIFICATE-----\n"
	"MIICUTCCAg+gAwIBAgIBATALBglghkgBZQMEAwIwDjEMMAoGA1UEAwwDZHNhMB4X\n"
	"DTExMDMxMzA3MDY0MFoXDTE0MDUxMzE2NTMyMFowDjEMMAoGA1UEAwwDZHNhMIIB\n"
	"tjCCASsGByqGSM44BAEwggEeAoGBAISIb5rez0hDbAboRbcRZAXzU4xBHK0gHPWW\n"
	"XaljXEX0AlH4frAvHj4+trReWytAIPOv8iT2ZQyv679bzrsJMT/ISU0IA7rcliU0\n"
	"Z3HMdcDYCAosiKiSs2zTQKfSrkQ6ztExFo0CFhFpUSyHvIfTBSir2xhIPOYSHKBd\n"
	"jFIFCqzBAhUA0su9zL62Gvc6qspUx1XzfniYoY8CgYBF4PcMGGZXNYBn339Trk+v\n"
	"Vjh+o5Rm2wP+dLfVoaPC8wRZoHCiSyOhOfbTHd08E5pVvvt4RQtPhB7h+DvKgFjj\n"
	"3VIigNm1Tt1ivtBulI9g8Uya0H7L3Krh9xseFkwGnN1XbCp9abRMhXLDM2QpT6Dm\n"
	"fQXLrlxtPjJx2qlHeRj0XgOBhAACgYBLubSEmExit9vMjHifiXdbp0GrF2fbXYQD\n"
	"nZWsiB8kZVF8ea4QAX5+pnEyZeN/xFs9qzntCdmou+sUP7Xoem7N6/M+2aBXLeSA\n"
	"5xnoKU1QXyAeaBfGzi3NyVIYZleyQOgoMNekPAXjpv4m8RBlSe2RkWbBN/3jkXsK\n"
	"rekTTYrVADALBglghkgBZQMEAwIDLwAwLAIUAZ0sXj7dw3Pzj7E5BzJRhOgbfuQC\n"
	"FCixWE8efdFo8VnAm81g97ekp5Ai\n"
	"-----END CERTIFICATE-----\n"
	"-----BEGIN CERTIFICATE-----\n"
	"MIIBBjCBraADAgECAgEBMAoGCCqGSM49BAMCMA0xCzAJBgNVBAMMAmVjMB4XDTEx\n"
	"MDMxMzA3MDY0MFoXDTE0MDUxMzE2NTMyMFowDTELMAkGA1UEAwwCZWMwWTATBgcq\n"
	"hkjOPQIBBggqhkjOPQMBBwNCAAQF/n2JbvfwKXCvn0MYxJmHD/lkkvetqInn19J7\n"
	"sfiFrJupfJTxBcsSybqQlUPMHMkO6n/YveSrIOZ1swQ2FwDMMAoGCCqGSM49BAMC\n"
	"A0gAMEUCIQDOCjAehaPldprYadQfOhi5j/XEqXtWIULz3UH5VNgvvQIgPmIoKCO3\n"
	"FCNTtc4KNW9hxaBpiSlh/+jPe1iL4iLNFrA=\n"
	"-----END CERTIFICATE-----\n";

static struct awsdoc_trust *fuzz_awsdoc_open(void)
{
	int fd = memfd_create("certs", 0);
	char path[64], why[AWSDOC_WHY_MAX];
	const char *file = path;
	struct awsdoc_trust *t;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (write(fd, fuzz_awsdoc_certs, sizeof(fuzz_awsdoc_certs) - 1) < 0 ||
	    awsdoc_open(&file, 1, &t, why) != 0)
		abort();
	close(fd);
	return t;
}

static int fuzz_awsdoc_try(const char *document, const char *signature)
{
	static struct awsdoc_trust *trust;
	const char *why = NULL;
	int r;

	if (!trust)
		trust = fuzz_awsdoc_open();
	r = awsdoc_verify(trust, document, strlen(document), signature, &why);
	if (r != 0 && r != -EBADMSG && r != -ENOMEM)
		abort();
	if (r == -EBADMSG && !why)
		abort();
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char signature[FUZZ_AWSDOC_MAX * 4 / 3 + 8];

	if (size < 1 || size > FUZZ_AWSDOC_MAX)
		return 0;
	if (data[0] == 't') {
		memcpy(signature, data + 1, size - 1);
		signature[size - 1] = '\0';
	} else {
		signature[EVP_EncodeBlock((unsigned char *)signature, data + 1, (int)size - 1)] =
			'\0';
	}
	/* What is good for one document is for no other. */
	if (fuzz_awsdoc_try(fuzz_awsdoc_document, signature) == 0 &&
	    fuzz_awsdoc_try(fuzz_awsdoc_document + 1, signature) == 0)
		abort();
	return 0;
}
