/* SPDX-License-Identifier: MIT */
#include "certs/ztsd/certbody.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/asn1.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509.h>
#include <string.h>

#define CERTBODY_FIXED_MAX 4096 /* bytes of all but texts and what is the CA's: the key is most */
#define CERTBODY_HEADERS_MAX 16 /* bytes around one text */
#define CERTBODY_SERIAL_MAX 20  /* bytes. Source: RFC 5280, section 4.1.2.2 */

/* Object identifiers 2.5.4.n of names, and 2.5.29.n of extensions. Source: RFC 5280, appendix A */
enum { CERTBODY_NAMES = 4, CERTBODY_EXTENSIONS = 29 };

/* Everything is put from the end to the beginning: what comes first in a function stands last. */

size_t certbody_room(const struct signer_order *order, const struct certbody_ca *ca)
{
	const char *const fields[] = { order->country, order->organization,
				       order->organizational_unit, order->common_name };
	size_t room = CERTBODY_FIXED_MAX + ca->algorithm_len + ca->name_len + ca->key_id_len +
		      order->key_info_len;

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) /* a root has them twice */
		room += fields[i] ? 2 * (strlen(fields[i]) + CERTBODY_HEADERS_MAX) : 0;
	for (size_t i = 0; i < order->n_names; i++)
		room += strlen(order->names[i]->text) + CERTBODY_HEADERS_MAX;
	return room;
}

static void certbody_put_oid(struct der_out *out, unsigned char arc, unsigned char n)
{
	const unsigned char oid[] = { 0x55, arc, n };

	der_put_element(out, DER_OID, oid, sizeof(oid));
}

static void certbody_put_small(struct der_out *out, unsigned char number)
{
	der_put_element(out, DER_INTEGER, &number, 1);
}

/* Makes what was put since @mark the value of extension @n. */
static void certbody_wrap_extension(struct der_out *out, unsigned char n, bool critical,
				    size_t mark)
{
	static const unsigned char yes = 0xff;

	der_wrap(out, DER_OCTET_STRING, mark);
	if (critical)
		der_put_element(out, DER_BOOLEAN, &yes, 1);
	certbody_put_oid(out, CERTBODY_EXTENSIONS, n);
	der_wrap(out, DER_SEQUENCE, mark);
}

static int certbody_put_address(struct der_out *out, const char *text)
{
	unsigned char bytes[16];
	size_t len = inet_pton(AF_INET, text, bytes) == 1  ? 4 :
		     inet_pton(AF_INET6, text, bytes) == 1 ? 16 :
							     0;

	der_put_element(out, DER_CONTEXT(7), bytes, len);
	return len ? 0 : -EIO;
}

/* Source: RFC 5280, section 4.2.1.6, GeneralName */
static int certbody_put_name(struct der_out *out, const struct csr_name *name)
{
	switch (name->kind) {
	case CSR_DNS:
		der_put_element(out, DER_CONTEXT(2), name->text, strlen(name->text));
		return 0;
	case CSR_URI:
		der_put_element(out, DER_CONTEXT(6), name->text, strlen(name->text));
		return 0;
	case CSR_IP:
		return certbody_put_address(out, name->text);
	case CSR_EMAIL:
		break; /* no rule lets one through */
	}
	return -EIO;
}

static int certbody_put_names(struct der_out *out, const struct signer_order *o)
{
	size_t mark = der_mark(out);
	int r = 0;

	if (!o->n_names)
		return 0;
	for (size_t i = o->n_names; i > 0 && r == 0; i--)
		r = certbody_put_name(out, o->names[i - 1]);
	der_wrap(out, DER_SEQUENCE, mark);
	certbody_wrap_extension(out, 17, false, mark);
	return r;
}

/* Source: RFC 5280, section 4.2.1.12 */
static void certbody_put_purposes(struct der_out *out, unsigned int purposes)
{
	static const unsigned char client[] = { 0x2b, 6, 1, 5, 5, 7, 3, 2 };
	static const unsigned char server[] = { 0x2b, 6, 1, 5, 5, 7, 3, 1 };
	size_t mark = der_mark(out);

	if (purposes & SIGNER_PURPOSE_SERVER)
		der_put_element(out, DER_OID, server, sizeof(server));
	if (purposes & SIGNER_PURPOSE_CLIENT)
		der_put_element(out, DER_OID, client, sizeof(client));
	der_wrap(out, DER_SEQUENCE, mark);
	certbody_wrap_extension(out, 37, false, mark);
}

/* @bits is the first byte, of which @unused bits at its end do not count.
 * Source: RFC 5280, section 4.2.1.3 */
static void certbody_put_usage(struct der_out *out, unsigned char bits, unsigned char unused)
{
	const unsigned char string[] = { unused, bits };
	size_t mark = der_mark(out);

	der_put_element(out, DER_BIT_STRING, string, sizeof(string));
	certbody_wrap_extension(out, 15, true, mark);
}

/* Source: RFC 3279, section 2.3.1 */
static bool certbody_is_rsa(const struct signer_order *o)
{
	static const unsigned char rsa[] = { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1 };
	struct der_in all, info, algorithm, oid;
	bool failed;

	if (o->key)
		return EVP_PKEY_is_a(o->key, "RSA") == 1;
	all = der_open(o->key_info, o->key_info_len, &failed);
	info = der_enter(&all, DER_SEQUENCE);
	algorithm = der_enter(&info, DER_SEQUENCE);
	oid = der_enter(&algorithm, DER_OID);
	return der_is(&oid, rsa, sizeof(rsa));
}

static int certbody_put_leaf_extensions(struct der_out *out, const struct signer_order *o,
					const struct certbody_ca *ca)
{
	size_t mark;
	int r = certbody_put_names(out, o);

	certbody_put_purposes(out, o->purposes);
	mark = der_mark(out);
	der_put_element(out, DER_CONTEXT(0), ca->key_id, ca->key_id_len);
	der_wrap(out, DER_SEQUENCE, mark);
	certbody_wrap_extension(out, 35, false, mark);
	if (certbody_is_rsa(o))
		certbody_put_usage(out, 0xa0, 5); /* digitalSignature, keyEncipherment */
	else
		certbody_put_usage(out, 0x80, 7); /* digitalSignature */
	mark = der_mark(out);
	der_wrap(out, DER_SEQUENCE, mark); /* not a CA */
	certbody_wrap_extension(out, 19, true, mark);
	return r;
}

/* It signs end entities only. */
static void certbody_put_root_extensions(struct der_out *out, const struct certbody_ca *ca)
{
	static const unsigned char yes = 0xff;
	size_t mark = der_mark(out);

	der_put_element(out, DER_OCTET_STRING, ca->key_id, ca->key_id_len);
	certbody_wrap_extension(out, 14, false, mark);
	certbody_put_usage(out, 0x06, 1); /* keyCertSign, cRLSign */
	mark = der_mark(out);
	certbody_put_small(out, 0); /* CAs below it */
	der_put_element(out, DER_BOOLEAN, &yes, 1);
	der_wrap(out, DER_SEQUENCE, mark);
	certbody_wrap_extension(out, 19, true, mark);
}

static int certbody_put_extensions(struct der_out *out, const struct signer_order *o,
				   const struct certbody_ca *ca)
{
	size_t mark = der_mark(out);
	int r = 0;

	if (ca->name)
		r = certbody_put_leaf_extensions(out, o, ca);
	else
		certbody_put_root_extensions(out, ca);
	der_wrap(out, DER_SEQUENCE, mark);
	der_wrap(out, DER_CONTEXT_HOLDS(3), mark);
	return r;
}

/* As it is in the group that its curve is named by; OpenSSL's encoder costs more than a signature.
 * Source: RFC 5480, section 2 */
static int certbody_put_ec_key(EVP_PKEY *key, struct der_out *out)
{
	static const unsigned char ec[] = { DER_OID, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1 };
	unsigned char *point = NULL;
	char group[64];
	size_t len, group_len, mark = der_mark(out), algorithm;
	const ASN1_OBJECT *curve;

	if (EVP_PKEY_get_group_name(key, group, sizeof(group), &group_len) != 1)
		return -EIO;
	curve = OBJ_nid2obj(OBJ_txt2nid(group));
	len = EVP_PKEY_get1_encoded_public_key(key, &point);
	if (!len || !OBJ_length(curve)) {
		OPENSSL_free(point);
		return -EIO;
	}
	der_put(out, point, len);
	OPENSSL_free(point);
	der_put(out, "", 1); /* bits that do not count */
	der_wrap(out, DER_BIT_STRING, mark);
	algorithm = der_mark(out);
	der_put_element(out, DER_OID, OBJ_get0_data(curve), OBJ_length(curve));
	der_put(out, ec, sizeof(ec));
	der_wrap(out, DER_SEQUENCE, algorithm);
	der_wrap(out, DER_SEQUENCE, mark);
	return 0;
}

int certbody_put_key(EVP_PKEY *key, struct der_out *out)
{
	unsigned char *der = NULL;
	int len;

	/* A token may not tell the point, but how it is encoded. */
	if (EVP_PKEY_is_a(key, "EC") && certbody_put_ec_key(key, out) == 0)
		return 0;
	len = i2d_PUBKEY(key, &der);
	if (len <= 0)
		return -EIO;
	der_put(out, der, (size_t)len);
	OPENSSL_free(der);
	return 0;
}

static int certbody_put_any_key(const struct signer_order *o, struct der_out *out)
{
	if (o->key)
		return certbody_put_key(o->key, out);
	der_put(out, o->key_info, o->key_info_len);
	return 0;
}

/* Each field is a set of its own. */
static void certbody_put_field(struct der_out *out, unsigned char n, unsigned int tag,
			       const char *text)
{
	size_t mark = der_mark(out);

	if (!text || !*text)
		return;
	der_put_element(out, tag, text, strlen(text));
	certbody_put_oid(out, CERTBODY_NAMES, n);
	der_wrap(out, DER_SEQUENCE, mark);
	der_wrap(out, DER_SET, mark);
}

static void certbody_put_subject(struct der_out *out, const struct signer_order *o)
{
	size_t mark = der_mark(out);

	certbody_put_field(out, 3, DER_UTF8, o->common_name);
	certbody_put_field(out, 11, DER_UTF8, o->organizational_unit);
	certbody_put_field(out, 10, DER_UTF8, o->organization);
	certbody_put_field(out, 6, DER_PRINTABLE, o->country);
	der_wrap(out, DER_SEQUENCE, mark);
}

/* UTCTime until 2049, as RFC 5280 wants it. */
static int certbody_put_time(struct der_out *out, uint64_t wall)
{
	ASN1_TIME *time = ASN1_TIME_set(NULL, (time_t)wall);

	if (!time)
		return -EIO;
	der_put_element(out, (unsigned int)ASN1_STRING_type(time), ASN1_STRING_get0_data(time),
			(size_t)ASN1_STRING_length(time));
	ASN1_TIME_free(time);
	return 0;
}

static int certbody_put_validity(struct der_out *out, const struct signer_order *o)
{
	size_t mark = der_mark(out);
	int r = certbody_put_time(out, o->not_after_wall);

	if (r == 0)
		r = certbody_put_time(out, o->not_before_wall);
	der_wrap(out, DER_SEQUENCE, mark);
	return r;
}

/* Positive, in its shortest form. */
static int certbody_put_serial(struct der_out *out, const char *hex)
{
	unsigned char bytes[CERTBODY_SERIAL_MAX];
	size_t len = 0;

	if (OPENSSL_hexstr2buf_ex(bytes, sizeof(bytes), &len, hex, '\0') != 1 || !len ||
	    bytes[0] == 0 || bytes[0] > 0x7f)
		return -EIO;
	der_put_element(out, DER_INTEGER, bytes, len);
	return 0;
}

int certbody_put(const struct signer_order *order, const struct certbody_ca *ca,
		 struct der_out *out)
{
	size_t mark = der_mark(out), version;
	int r = certbody_put_extensions(out, order, ca);

	if (r == 0)
		r = certbody_put_any_key(order, out);
	certbody_put_subject(out, order);
	if (r == 0)
		r = certbody_put_validity(out, order);
	if (ca->name)
		der_put(out, ca->name, ca->name_len);
	else
		certbody_put_subject(out, order);
	der_put(out, ca->algorithm, ca->algorithm_len);
	if (r == 0)
		r = certbody_put_serial(out, order->serial);
	version = der_mark(out);
	certbody_put_small(out, 2); /* X.509 v3 */
	der_wrap(out, DER_CONTEXT_HOLDS(0), version);
	der_wrap(out, DER_SEQUENCE, mark);
	return r == 0 && out->failed ? -EIO : r;
}
