/* mapgen_dkim - see mapgen_dkim.h. */
#include "applets/mapgen_dkim.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "applets/applet.h"
#include "core/base/fs.h"
#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/dkim/keys.h"
#include "core/msg/mime.h"

enum { BITS = 2048, STRING = 255 /* of a TXT record (RFC 1035 section 3.3.14) */ };

static int read_or_make(const char *file, struct buf *pem)
{
	if (fs_read_file(file, pem) == 0)
		return EX_OK;
	if (errno != ENOENT)
		return applet_fail(EX_NOINPUT, "%s: %s", file, strerror(errno));
	tls_key_make(BITS, pem);
	if (fs_replace(file, 0600, buf_view(pem)) < 0)
		return applet_fail(EX_CANTCREAT, "%s: %s", file, strerror(errno));
	return EX_OK;
}

static void print_record(struct tls_key *key, const char *name, const char *selector)
{
	struct buf der, text;
	struct str rest;

	buf_init(&der, LIMIT_TLS_FILE);
	buf_init(&text, LIMIT_TLS_FILE);
	tls_key_public(key, &der);
	buf_z(&text, "v=DKIM1; k=rsa; p=");
	mime_base64(&text, buf_view(&der), 0);
	printf("%s._domainkey.%s. IN TXT (", selector, name);
	for (rest = buf_view(&text); rest.n; rest = str_from(rest, STRING))
		printf(" \"%.*s\"", STR_ARG(str_head(rest, STRING)));
	printf(" )\n");
	buf_fini(&der);
	buf_fini(&text);
}

int mapgen_dkim(const char *domain, const char *selector)
{
	char name[LIMIT_DKIM_DOMAIN + 1], file[2 * LIMIT_DKIM_DOMAIN + 8];
	struct tls_key *key;
	struct buf pem;
	int code;

	if (!dkim_is_domain(str_of(domain)) || !dkim_is_domain(str_of(selector)))
		return applet_fail(EX_USAGE, "%s, %s: no domain and selector in letters, digits and -", domain, selector);
	for (size_t i = 0; i <= strlen(domain); i++)
		name[i] = ascii_lower(domain[i]);
	snprintf(file, sizeof(file), "%s.%s.pem", name, selector);
	buf_init(&pem, LIMIT_TLS_FILE);
	code = read_or_make(file, &pem);
	if (code == EX_OK) {
		key = tls_key_new(buf_view(&pem));
		if (key)
			print_record(key, name, selector);
		else
			code = applet_fail(EX_DATAERR, "%s: no RSA private key in PEM form without a password", file);
		tls_key_free(key);
	}
	buf_wipe(&pem);
	return applet_close_output(code);
}
