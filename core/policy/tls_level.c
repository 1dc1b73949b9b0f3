/* tls_level - see tls_level.h. */
#include "core/policy/tls_level.h"

static const struct tls_level rows[] = {
	[CONF_TLS_NONE] = { .word = "none" },
	[CONF_TLS_MAY] = { .word = "may", .offer = true },
	[CONF_TLS_ENCRYPT] = { .word = "encrypt", .offer = true, .require = true },
	[CONF_TLS_FINGERPRINT] = { .word = "fingerprint", .offer = true, .require = true, .match = TLS_MATCH_FINGERPRINT },
	[CONF_TLS_VERIFY] = { .word = "verify", .offer = true, .require = true, .match = TLS_MATCH_NAME },
	[CONF_TLS_SECURE] = { .word = "secure", .offer = true, .require = true, .match = TLS_MATCH_NAME },
	/* until the DNS has said something, all is required */
	[CONF_TLS_DANE] = { .word = "dane", .offer = true, .require = true, .dane = true },
	[CONF_TLS_DANE_ONLY] = { .word = "dane-only", .offer = true, .require = true, .dane = true, .only = true },
};

const struct tls_level *tls_level_row(int level)
{
	return &rows[level >= 0 && (size_t)level < sizeof(rows) / sizeof(rows[0]) ? level : CONF_TLS_NONE];
}

const struct tls_level *tls_level_made(enum tls_made by)
{
	static const struct tls_level made[] = {
		[TLS_MADE_BY_STS] = { .word = "mta-sts", .offer = true, .require = true, .match = TLS_MATCH_NAME },
		[TLS_MADE_BY_MESSAGE] = { .word = "requiretls", .offer = true, .require = true, .match = TLS_MATCH_NAME },
	};

	return &made[by];
}

bool tls_level_parse(struct str word, enum conf_tls_level *out)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (!str_ieq(word, str_of(rows[i].word)))
			continue;
		*out = (enum conf_tls_level)i;
		return true;
	}
	return false;
}
