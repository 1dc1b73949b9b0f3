/* fetch - one HTTPS POST: name, connection (through https_proxy where that is set), TLS with a verified name, answer. The addresses of
 * the host are tried one after the other until one answers. */
#ifndef CORE_OAUTH_FETCH_H
#define CORE_OAUTH_FETCH_H

#include "core/net/dns.h"
#include "core/net/loop.h"
#include "core/net/tls.h"

struct fetch_options {
	struct loop *loop;
	struct dns *dns;
	struct tls_context *tls;
	const char *proxy;             /* "http://host:port"; NULL or "": none */
	struct str host, path;         /* as credential_split gives them */
	uint16_t port;
	struct str body;               /* application/x-www-form-urlencoded */
};
/* fetch_proxy - where a proxy is, "http://host:port" or less; *port 0: there is none */
void fetch_proxy(const char *proxy, struct str *host, uint16_t *port);
/* fn - status 0: no answer, with why; else the body, at most LIMIT_OAUTH_TEXT. Never from inside of fetch_post */
typedef void (*fetch_fn)(void *ctx, int status, struct str body, const char *why);
struct fetch *fetch_post(const struct fetch_options *o, fetch_fn fn, void *ctx);
void fetch_cancel(struct fetch *f);

#endif
