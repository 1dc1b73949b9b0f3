/* fetch - one HTTPS request and its answer, for whoever needs one: name, connection (through a proxy where the environment names
 * one), TLS with a verified name, GET or POST. The addresses of the host are tried one after the other until one speaks HTTP; what
 * that one says is the answer. A redirection is an answer like any other: a policy must not be had by one (RFC 8461 3.3), and tokens
 * and reports are not for whomever an answer names. What a stranger's DNS names is called at public addresses only: nobody has us ask the
 * services of our own networks, or those that a cloud gives its machines at 169.254.169.254. */
#ifndef CORE_NET_FETCH_H
#define CORE_NET_FETCH_H

#include "core/net/dns.h"
#include "core/net/loop.h"
#include "core/net/tls.h"

enum { FETCH_HTTPS = 443 };
struct fetch_options {
	struct loop *loop;
	struct dns *dns;
	struct tls_context *tls;       /* who is trusted */
	struct str host, path;
	uint16_t port;
	const char *accept;            /* media type, static */
	const char *type;              /* of the body, static; NULL: a GET without one */
	struct str body;               /* copied, and wiped in the end */
	size_t most;                   /* bytes of the answer's body; more is no answer */
	usec time;                     /* for all connections: an address has half of what is left, the last one all */
	bool strange;                  /* the host is a stranger's word: at addresses that are not public it is not called */
	int families;                  /* 1 IPv4, 2 IPv6, 3 both */
	enum dns_source names;
};
struct fetch_answer {
	int status;                    /* 0: no answer, by `why` */
	struct str type, date, body;   /* Content-Type, Date; views for the call */
	const char *why;
	bool tls;                      /* … because there was no TLS with a server that proves to be the host */
};
/* fn - never from inside of fetch_start */
typedef void (*fetch_fn)(void *ctx, const struct fetch_answer *a);
struct fetch *fetch_start(const struct fetch_options *o, fetch_fn fn, void *ctx);
void fetch_cancel(struct fetch *f);
/* fetch_port - where the connection is made for a server at this host and port: there, or at the proxy's port */
uint16_t fetch_port(struct str host, uint16_t port);
/* fetch_trust - who is trusted with the web: the authorities of ca_file, or, where it is "", the system's. NULL with why */
struct tls_context *fetch_trust(const char *ca_file, struct buf *why);

/* fetch_split - https://HOST[:PORT]/PATH; host without brackets */
bool fetch_split(struct str url, struct str *host, uint16_t *port, struct str *path);

/* fetch_authority - host[:port], or [host]:port; `usual` where there is no port */
bool fetch_authority(struct str s, uint16_t usual, struct str *host, uint16_t *port);

/* fetch_proxy - how a server is reached: straight, or by the proxy that the environment names in https_proxy, "http://user:password@host:port"
 * or less, unless its no_proxy has the host. Views into the environment */
enum fetch_way { FETCH_STRAIGHT, FETCH_BY_PROXY, FETCH_NO_WAY };       /* the last: there is to be one, and it cannot be read */
struct fetch_proxy { struct str host, login; uint16_t port; };
enum fetch_way fetch_proxy(struct str host, struct fetch_proxy *out);
/* fetch_put_login - the field that tells a proxy who we are (RFC 7617); nothing without a login. Its percent signs are decoded */
void fetch_put_login(struct buf *out, struct str login);

#endif
