/* without - the parts that this build has left out, by whole files (config.mk), and whose parameters are refused for that. The only object
 * beside those files that differs between such builds. */
#include "core/conf/conf_private.h"

#ifndef RELAYBOX_WITHOUT
#define RELAYBOX_WITHOUT ""
#endif

static const struct { const char *part, *prefix; } rows[] = {
	{ "dkim", "dkim_" }, { "oauth", "oauth_" }, { "sts", "smtp_tls_mta_sts" }, { "sts", "smtp_tlsrpt_" }, { "sts", "tlsrpt_" },
};

const char *conf_without(void) { return RELAYBOX_WITHOUT; }

const char *conf_left_out(struct str name)
{
	struct str rest = STR(RELAYBOX_WITHOUT), word;

	while (str_word(&rest, " ", &word))
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
			if (str_eq(word, str_of(rows[i].part)) && str_starts(name, str_of(rows[i].prefix)))
				return rows[i].part;
	return NULL;
}
