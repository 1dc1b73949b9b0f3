/* tls_suites - the ciphers that are offered and taken, in order of preference: those with a key of their own for each session first, and
 * of these the one that costs this processor least. All are as good as each other for the years that mail is worth hiding. */
#include <pthread.h>

#include "core/net/tls_private.h"

static int suites[LIMIT_TLS_SUITES + 1];

static bool has(struct str name, struct str word)
{
	return str_find(name, word) >= 0;
}

static int rank(int suite)
{
	struct str name = str_of(mbedtls_ssl_get_ciphersuite_name(suite));
	int stream = tls_cpu_has_aes() ? 2 : -1;
	int cipher = has(name, STR("AES-128-GCM")) ? 0 : has(name, STR("AES-256-GCM")) ? 1 : has(name, STR("CHACHA20")) ? stream : 3;

	return cipher + (has(name, STR("TLS1-3")) || has(name, STR("ECDHE")) ? 0 : 10);
}

/* the library's order stays among equals */
static void sort(void)
{
	const int *from = mbedtls_ssl_list_ciphersuites();
	int n = 0;

	for (; from[n] && n < LIMIT_TLS_SUITES; n++) {
		int i = n;

		for (; i > 0 && rank(suites[i - 1]) > rank(from[n]); i--)
			suites[i] = suites[i - 1];
		suites[i] = from[n];
	}
}

const int *tls_suites(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, sort);
	return suites;
}
