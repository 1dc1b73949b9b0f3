/* fetch_proxy - whom the environment has stand between us and web servers: https_proxy, and no_proxy with those that are called straight. */
#include "core/base/env.h"
#include "core/base/ipaddr.h"
#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/net/fetch.h"
#include "core/net/tls.h"

#define PROXY_PORT 3128

/* either - small letters first, as others do */
static struct str either(const char *small, const char *large)
{
	const char *value = env_get(small);

	return str_of(value ? value : env_get(large));
}

/* is_spared - by no_proxy: a name with all below it, whatever dot it begins with; an address; or * */
static bool is_spared(struct str host)
{
	struct str rest = either("no_proxy", "NO_PROXY"), word;
	struct ipaddr address;
	bool is_name = !ipaddr_parse(host, &address);

	while (str_word(&rest, ", \t", &word)) {
		if (str_eq(word, STR("*")))
			return true;
		while (str_starts(word, STR(".")))
			word = str_from(word, 1);
		if (word.n && (str_ieq(host, word) || (is_name && host.n > word.n && str_iends(host, word) && host.p[host.n - word.n - 1] == '.')))
			return true;
	}
	return false;
}

bool fetch_authority(struct str s, uint16_t usual, struct str *host, uint16_t *port)
{
	uint64_t number = usual;
	ptrdiff_t colon = str_chr(s, ':'), end = str_starts(s, STR("[")) ? str_chr(s, ']') : -1;
	struct str rest = end > 0 ? str_from(s, (size_t)end + 1) : str_from(s, colon < 0 ? s.n : (size_t)colon);

	*host = end > 0 ? str_make(s.p + 1, (size_t)end - 1) : str_head(s, s.n - rest.n);
	if (rest.n && (*rest.p != ':' || !str_to_u64(str_from(rest, 1), &number)))
		return false;
	*port = (uint16_t)number;
	return host->n && host->n <= LIMIT_DOMAIN && number > 0 && number <= 65535 && str_chr(*host, '@') < 0;
}

enum fetch_way fetch_proxy(struct str host, struct fetch_proxy *out)
{
	struct str s = either("https_proxy", "HTTPS_PROXY");
	ptrdiff_t at;

	*out = (struct fetch_proxy){ .port = 0 };
	if (!s.n || is_spared(host))
		return FETCH_STRAIGHT;
	if (str_istarts(s, STR("http://")))
		s = str_from(s, 7);
	if ((at = str_chr(s, '/')) >= 0)
		s = str_head(s, (size_t)at);
	if ((at = str_rchr(s, '@')) >= 0) {
		out->login = str_head(s, (size_t)at);
		s = str_from(s, (size_t)at + 1);
	}
	return fetch_authority(s, PROXY_PORT, &out->host, &out->port) ? FETCH_BY_PROXY : FETCH_NO_WAY;
}

uint16_t fetch_port(struct str host, uint16_t port)
{
	struct fetch_proxy p;

	return fetch_proxy(host, &p) == FETCH_BY_PROXY ? p.port : port;
}

void fetch_put_login(struct buf *out, struct str login)
{
	char plain[LIMIT_FETCH_LOGIN], text[LIMIT_FETCH_LOGIN / 3 * 4 + 5];
	size_t n = 0;

	for (size_t i = 0; i < login.n && n < sizeof(plain); i++) {
		int coded = login.p[i] == '%' ? str_hex_byte(login, i + 1) : -1;

		plain[n++] = coded < 0 ? login.p[i] : (char)coded;
		i += coded < 0 ? 0 : 2;
	}
	if (tls_base64(plain, n, text, sizeof(text)))
		buf_printf(out, "Proxy-Authorization: Basic %s\r\n", text);
	mem_wipe(plain, sizeof(plain));
	mem_wipe(text, sizeof(text));
}
