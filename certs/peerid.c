/* SPDX-License-Identifier: MIT */
#include "certs/peerid.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "certs/denylist.h"

#define PEERID_RESTRICTED ":restricted"

/* Inside this file a positive result is the PST code of a refusal. */

/* A name inside the certificate; gone with the list of names it was taken from. */
struct peerid_text {
	const char *at;
	size_t len;
};

/* What the certificate says of its owner, and how often. */
struct peerid_names {
	struct principal who;
	struct principal_role role;          /* "" for the certificate of a service */
	struct principal_instance instance;  /* the last of them */
	char dns_id[PRINCIPAL_INSTANCE_MAX]; /* the last; no NUL; unset if too long */
	size_t dns_id_len;
	unsigned int n_instances, n_dns_ids, n_spiffes;
};

static void peerid_free_utf8(unsigned char **text)
{
	OPENSSL_free(*text);
}

static void peerid_free_sans(GENERAL_NAMES **sans)
{
	GENERAL_NAMES_free(*sans);
}

static bool peerid_is_listed(const char *const *list, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(list[i], name) == 0)
			return true;
	}
	return false;
}

/* A role that nobody asked for is refused for what it is, however it is written. */
static int peerid_parse_role(const char *cn, size_t len, const struct peerid_rule *rule,
			     struct principal_role *ret)
{
	if (principal_parse_role(cn, len, ret) == 0 &&
	    peerid_is_listed(rule->roles, rule->n_roles, ret->name))
		return 0;
	return PST_ROLE_CERT;
}

static int peerid_parse_cn(const ASN1_STRING *cn, const struct peerid_rule *rule,
			   struct peerid_names *names)
{
	_cleanup_(peerid_free_utf8) unsigned char *utf8 = NULL;
	int len = ASN1_STRING_to_UTF8(&utf8, cn);

	if (len < 0)
		return PST_CN_FORMAT;
	switch (principal_parse((const char *)utf8, (size_t)len, &names->who)) {
	case 0:
		return 0;
	case PRINCIPAL_E_ROLE:
		return peerid_parse_role((const char *)utf8, (size_t)len, rule, &names->role);
	default:
		return PST_CN_FORMAT;
	}
}

/* Not X509_NAME_get_text_by_NID(): it cuts at the buffer, and takes the first of several. */
static int peerid_read_cn(const X509 *cert, const struct peerid_rule *rule,
			  struct peerid_names *names)
{
	const X509_NAME *subject = X509_get_subject_name(cert);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);

	if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0)
		return PST_CN_COUNT;
	return peerid_parse_cn(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)), rule,
			       names);
}

/* Not strstr(): a NUL would end the text before it ends. */
static int peerid_read_unit(const ASN1_STRING *unit, bool *ret_restricted)
{
	_cleanup_(peerid_free_utf8) unsigned char *utf8 = NULL;
	int len = ASN1_STRING_to_UTF8(&utf8, unit);
	int tail = len - (int)strlen(PEERID_RESTRICTED);

	if (len < 0)
		return PST_CERT_FIELD;
	if (tail >= 0 && memcmp(utf8 + tail, PEERID_RESTRICTED, strlen(PEERID_RESTRICTED)) == 0)
		*ret_restricted = true;
	return 0;
}

/* Any of several counts. */
static int peerid_read_restricted(const X509 *cert, bool *ret)
{
	const X509_NAME *subject = X509_get_subject_name(cert);
	bool restricted = false;
	int at = -1;
	int r = 0;

	while (r == 0 &&
	       (at = X509_NAME_get_index_by_NID(subject, NID_organizationalUnitName, at)) >= 0)
		r = peerid_read_unit(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)),
				     &restricted);
	*ret = restricted;
	return r;
}

/* @ret is all zeros before. */
static int peerid_read_serial(const X509 *cert, char ret[PEERID_SERIAL_MAX])
{
	static const char hex[] = "0123456789abcdef";
	const ASN1_INTEGER *serial = X509_get0_serialNumber(cert);
	const unsigned char *bytes = ASN1_STRING_get0_data(serial);
	size_t n = (size_t)ASN1_STRING_length(serial);

	if (ASN1_STRING_type(serial) != V_ASN1_INTEGER || n == 0 || n * 2 >= PEERID_SERIAL_MAX)
		return PST_CERT_FIELD;
	for (size_t i = 0; i < n; i++) {
		ret[i * 2] = hex[bytes[i] >> 4];
		ret[i * 2 + 1] = hex[bytes[i] & 15];
	}
	return 0;
}

static int peerid_read_time(const ASN1_TIME *time, uint64_t *ret)
{
	struct tm tm;
	time_t wall;

	if (ASN1_TIME_to_tm(time, &tm) != 1)
		return PST_CERT_FIELD;
	wall = timegm(&tm);
	if (wall < 0)
		return PST_CERT_FIELD;
	*ret = (uint64_t)wall;
	return 0;
}

/* Takes the bytes of an IA5 name: no blank, no control character, no NUL, nothing above ASCII. */
static int peerid_take_text(const ASN1_STRING *string, struct peerid_text *ret)
{
	const unsigned char *bytes = ASN1_STRING_get0_data(string);
	size_t n = (size_t)ASN1_STRING_length(string);

	if (n > PEERID_SAN_BYTES_MAX)
		return PST_SAN_LIMIT;
	for (size_t i = 0; i < n; i++) {
		if (bytes[i] <= 0x20 || bytes[i] >= 0x7f)
			return PST_CERT_FIELD;
	}
	*ret = (struct peerid_text){ (const char *)bytes, n };
	return 0;
}

static int peerid_check_spiffe(struct peerid_text uri, const struct peerid_names *names)
{
	return names->role.name[0] ? principal_check_role_spiffe(&names->role, uri.at, uri.len) :
				     principal_check_spiffe(&names->who, uri.at, uri.len);
}

static int peerid_take_uri(struct peerid_text uri, struct peerid_names *names)
{
	switch (principal_parse_instance(uri.at, uri.len, &names->instance)) {
	case 0:
		names->n_instances++;
		return 0;
	case PRINCIPAL_E_FORMAT:
		return PST_INSTANCE_ID;
	default:
		break;
	}
	switch (peerid_check_spiffe(uri, names)) {
	case 0:
		return names->n_spiffes++ ? PST_SAN_DISAGREES : 0;
	case PRINCIPAL_E_DISAGREES:
		return PST_SAN_DISAGREES;
	default:
		return 0;
	}
}

static int peerid_take_dns(struct peerid_text dns, struct peerid_names *names)
{
	switch (principal_parse_dns(dns.at, dns.len, &names->dns_id_len)) {
	case 0:
		names->n_dns_ids++;
		if (names->dns_id_len <= sizeof(names->dns_id))
			memcpy(names->dns_id, dns.at, names->dns_id_len);
		return 0;
	case PRINCIPAL_E_FORMAT:
		return PST_SAN_DISAGREES;
	default:
		return 0;
	}
}

/* The older form of a role certificate names its owner here. It is not enough, but must agree. */
static int peerid_take_mail(struct peerid_text mail, const struct peerid_names *names)
{
	return names->role.name[0] && principal_check_mail(&names->who, mail.at, mail.len) ?
		       PST_SAN_DISAGREES :
		       0;
}

static int peerid_take_san(const GENERAL_NAME *san, struct peerid_names *names)
{
	struct peerid_text text;
	int type;
	const ASN1_STRING *string = GENERAL_NAME_get0_value(san, &type);
	int r;

	/* The other kinds say nothing that is believed. */
	if (type != GEN_URI && type != GEN_DNS && type != GEN_EMAIL)
		return 0;
	r = peerid_take_text(string, &text);
	if (r == 0 && type == GEN_URI)
		r = peerid_take_uri(text, names);
	if (r == 0 && type == GEN_DNS)
		r = peerid_take_dns(text, names);
	if (r == 0 && type == GEN_EMAIL)
		r = peerid_take_mail(text, names);
	return r;
}

/* Whose role it is: exactly one URI says so. Before all other names, which must agree with it. */
static int peerid_take_owner(const GENERAL_NAMES *sans, struct principal *ret)
{
	unsigned int n = 0;

	for (int i = 0; i < sk_GENERAL_NAME_num(sans); i++) {
		int type;
		const ASN1_STRING *string = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(sans, i),
								    &type);
		int r = PRINCIPAL_E_OTHER;

		if (type == GEN_URI)
			r = principal_parse_uri((const char *)ASN1_STRING_get0_data(string),
						(size_t)ASN1_STRING_length(string), ret);
		if (r == PRINCIPAL_E_FORMAT)
			return PST_ROLE_CERT;
		n += r == 0;
	}
	return n == 1 ? 0 : PST_ROLE_CERT;
}

/* Not X509_get_ext_d2i(): it lets bytes stand behind the list. Without such an extension *ret
 * stays as it is. */
static int peerid_decode_sans(const X509 *cert, GENERAL_NAMES **ret)
{
	int at = X509_get_ext_by_NID(cert, NID_subject_alt_name, -1);
	const ASN1_OCTET_STRING *content;
	const unsigned char *bytes, *end;

	if (at < 0)
		return 0;
	if (X509_get_ext_by_NID(cert, NID_subject_alt_name, at) >= 0)
		return PST_CERT_FIELD;
	content = X509_EXTENSION_get_data(X509_get_ext(cert, at));
	bytes = ASN1_STRING_get0_data(content);
	end = bytes + ASN1_STRING_length(content);
	*ret = d2i_GENERAL_NAMES(NULL, &bytes, end - bytes);
	return *ret && bytes == end ? 0 : PST_CERT_FIELD;
}

static int peerid_read_sans(const X509 *cert, struct peerid_names *names)
{
	_cleanup_(peerid_free_sans) GENERAL_NAMES *sans = NULL;
	int r = peerid_decode_sans(cert, &sans);

	if (r != 0)
		return r;
	if (sk_GENERAL_NAME_num(sans) > PEERID_SANS_MAX)
		return PST_SAN_LIMIT;
	if (names->role.name[0])
		r = peerid_take_owner(sans, &names->who);
	for (int i = 0; r == 0 && i < sk_GENERAL_NAME_num(sans); i++)
		r = peerid_take_san(sk_GENERAL_NAME_value(sans, i), names);
	return r;
}

/* A DNS id says nothing on its own: it only has to agree. */
static bool peerid_dns_agrees(const struct peerid_names *names)
{
	const char *id = names->instance.id;

	return names->n_dns_ids == 0 || (names->n_dns_ids == 1 && names->dns_id_len == strlen(id) &&
					 memcmp(names->dns_id, id, names->dns_id_len) == 0);
}

static int peerid_check_instance(const struct peerid_names *names, const struct peerid_rule *rule)
{
	if (names->n_instances > 1 || (rule->need_instance && names->n_instances == 0))
		return PST_INSTANCE_ID;
	if (names->n_instances == 1 && !peerid_dns_agrees(names))
		return PST_SAN_DISAGREES;
	if (rule->need_instance &&
	    !peerid_is_listed(rule->providers, rule->n_providers, names->instance.provider))
		return PST_PROVIDER_DENIED;
	return 0;
}

static int peerid_read_names(const X509 *cert, const struct peerid_rule *rule, struct peerid *id)
{
	struct peerid_names names = { 0 };
	int r;

	r = peerid_read_cn(cert, rule, &names);
	if (r == 0)
		r = peerid_read_sans(cert, &names);
	if (r == 0)
		r = peerid_check_instance(&names, rule);
	if (r != 0)
		return r;
	memcpy(id->principal, names.who.name, sizeof(id->principal));
	memcpy(id->role, names.role.name, sizeof(id->role));
	memcpy(id->provider, names.instance.provider, sizeof(id->provider));
	memcpy(id->instance_id, names.instance.id, sizeof(id->instance_id));
	return 0;
}

static int peerid_read_fields(const X509 *cert, struct peerid *id)
{
	int r = peerid_read_serial(cert, id->serial);

	if (r == 0)
		r = peerid_read_time(X509_get0_notBefore(cert), &id->not_before_wall);
	if (r == 0)
		r = peerid_read_time(X509_get0_notAfter(cert), &id->expires_wall);
	if (r == 0)
		r = peerid_read_restricted(cert, &id->restricted);
	return r;
}

/* Empties the thread's error queue. Gives whether an allocation had failed: the functions above see
 * only that there is no result, and lack of memory must not be taken for a forged certificate. */
static bool peerid_drain_errors(void)
{
	bool no_memory = false;
	unsigned long e;

	while ((e = ERR_get_error()) != 0)
		no_memory |= ERR_GET_REASON(e) == ERR_R_MALLOC_FAILURE;
	return no_memory;
}

int peerid_read(const X509 *cert, const struct peerid_rule *rule, struct peerid *ret,
		enum pst *ret_code)
{
	struct peerid id = { 0 };
	int r;

	ERR_clear_error();
	r = peerid_read_names(cert, rule, &id);
	if (r == 0)
		r = peerid_read_fields(cert, &id);
	if (r == 0 && denylist_has(rule->deny, id.principal, id.instance_id, id.serial))
		r = PST_PEER_DENIED;
	if (peerid_drain_errors())
		return -ENOMEM;
	if (r != 0) {
		*ret_code = (enum pst)r;
		return -EPERM;
	}
	*ret = id;
	return 0;
}

enum pst peerid_verify_code(long verify_error)
{
	switch (verify_error) {
	case X509_V_OK:
		return PST_CERT_MISSING;
	case X509_V_ERR_CERT_NOT_YET_VALID:
	case X509_V_ERR_CERT_HAS_EXPIRED:
	case X509_V_ERR_ERROR_IN_CERT_NOT_BEFORE_FIELD:
	case X509_V_ERR_ERROR_IN_CERT_NOT_AFTER_FIELD:
		return PST_CERT_EXPIRED;
	default:
		return PST_CERT_UNTRUSTED;
	}
}

enum pst peerid_alert_code(int alert)
{
	switch (alert) {
	case SSL_AD_BAD_CERTIFICATE:
	case SSL_AD_UNSUPPORTED_CERTIFICATE:
	case SSL_AD_CERTIFICATE_REVOKED:
	case SSL_AD_CERTIFICATE_EXPIRED:
	case SSL_AD_CERTIFICATE_UNKNOWN:
	case SSL_AD_UNKNOWN_CA:
	case SSL_AD_ACCESS_DENIED:
	case SSL_AD_CERTIFICATE_REQUIRED:
		return PST_CERT_REFUSED;
	default:
		return PST_TLS_HANDSHAKE;
	}
}
