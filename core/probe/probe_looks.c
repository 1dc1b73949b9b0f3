/* probe_looks.c - see probe_looks.h. */
#include "core/probe/probe_looks.h"

#include "core/base/mem.h"
#include "core/base/random.h"

#define LATE_GREETING (5 * USEC_PER_SEC) /* servers that are slower are asked no more */
enum { SAMPLES = 4 };                  /* of STARTTLS and certificate, after all else */

const char *probe_tls_name(const struct probe *p, const struct probe_host *h)
{
	struct ipaddr literal;

	return p->opt->sni ? p->opt->sni : ipaddr_parse(str_of(h->name), &literal) ? NULL : h->name;
}

static bool is_ec(const struct probe_address *a)
{
	return a->tls.key[0] == 'E';
}

/* --- what follows what ------------------------------------------------------------------------------------------------ */

enum look look_first(const struct probe *p, const struct probe_address *a, int row)
{
	bool spoke = a->tls_done || (a->stage == PROBE_TLS && !a->last.code && !a->timed_out);

	if (a->banner_time >= LATE_GREETING)
		return LOOK_NONE;
	if (!row)
		return spoke ? LOOK_TLS_1_1 : LOOK_NONE;
	if (!a->tls_done)
		return p->opt->deep && a->stage == PROBE_FINISHED && p->opt->tls ? LOOK_AGAIN : LOOK_NONE;
	return a->n_chain ? LOOK_UNNAMED : LOOK_NONE;
}

enum look look_next(const struct probe *p, const struct probe_address *a, enum look done, enum look_end end)
{
	if (end == LOOK_LOST)
		return LOOK_NONE;
	switch (done) {
	case LOOK_TLS_1_1:
		return end == LOOK_TAKEN ? LOOK_TLS_1_0 : LOOK_NONE;
	case LOOK_UNNAMED:
		return LOOK_OTHER_KEY;
	case LOOK_OTHER_KEY:
		return p->opt->deep ? LOOK_CIPHERS : LOOK_NONE;
	case LOOK_CIPHERS:
	case LOOK_CIPHERS_1_3:
		if (end == LOOK_TAKEN)
			return done;
		return done == LOOK_CIPHERS ? LOOK_CIPHERS_1_3 : p->wrapper ? LOOK_AGAIN : LOOK_INJECTION;
	case LOOK_INJECTION:
	case LOOK_AGAIN:
		return a->sampled < SAMPLES ? LOOK_AGAIN : LOOK_NONE;
	default:
		return LOOK_NONE;
	}
}

/* --- first messages --------------------------------------------------------------------------------------------------- */

static bool is_taken(const struct probe_ciphers *c, uint16_t suite)
{
	for (size_t i = 0; c && i < c->n; i++)
		if (c->v[i] == suite)
			return true;
	return false;
}

/* those that it has not chosen yet */
static size_t left_over(const struct probe_address *a, unsigned version, uint16_t v[HELLO_SUITES])
{
	size_t n = hello_suites(version, HELLO_ANY, v), left = 0;

	for (size_t i = 0; i < n; i++)
		if (!is_taken(a->ciphers, v[i]))
			v[left++] = v[i];
	return left;
}

void look_hello(const struct probe *p, const struct probe_host *h, const struct probe_address *a, enum look look, struct buf *out)
{
	const char *name = probe_tls_name(p, h);
	struct hello hello = { .version = HELLO_TLS_1_2, .name = look == LOOK_UNNAMED || !name ? STR_EMPTY : str_of(name) };
	uint16_t v[HELLO_SUITES];
	uint8_t random[32];

	hello.suites = v;
	if (look == LOOK_CIPHERS_1_3)
		hello.version = HELLO_TLS_1_3;
	if (look == LOOK_TLS_1_1 || look == LOOK_TLS_1_0) {
		hello.version = look == LOOK_TLS_1_1 ? HELLO_TLS_1_1 : HELLO_TLS_1_0;
		hello.n = hello_old_suites(v);
	} else if (look == LOOK_CIPHERS || look == LOOK_CIPHERS_1_3) {
		hello.n = left_over(a, hello.version, v);
	} else {
		/* without a name or once more, but for the same kind of certificate: else the other kind would be taken for another one */
		hello.n = hello_suites(hello.version, (look != LOOK_OTHER_KEY) == is_ec(a) ? HELLO_ECDSA : HELLO_RSA, v);
	}
	random_bytes(random, sizeof(random));
	hello_put(out, &hello, random);
}

/* --- answers ---------------------------------------------------------------------------------------------------------- */

/* a certificate that was not seen in the dialogue */
static void take_certificate(const struct probe *p, const struct probe_host *h, struct probe_address *a, enum look look, struct str list)
{
	struct tls_look **to = look == LOOK_UNNAMED ? &a->unnamed : look == LOOK_AGAIN ? &a->varying : &a->other, *seen = MEM_NEW(struct tls_look);
	const char *name = probe_tls_name(p, h);
	bool good = tls_look(p->opt->tls, list, name ? name : h->name, seen);
	bool differs = good && memcmp(seen->chain[0].sha256[0], a->chain[0].sha256[0], 32);

	a->seen_again += good && look == LOOK_AGAIN;
	a->varied += differs && look == LOOK_AGAIN;
	if (differs && !*to) {
		*to = seen;
		return;
	}
	mem_free(seen);
}

static bool take_cipher(struct probe_address *a, unsigned suite)
{
	if (!a->ciphers)
		a->ciphers = MEM_NEW(struct probe_ciphers);
	if (is_taken(a->ciphers, (uint16_t)suite) || a->ciphers->n == HELLO_SUITES)
		return false;
	a->ciphers->v[a->ciphers->n++] = (uint16_t)suite;
	return true;
}

static bool read_hello(const struct probe *p, const struct probe_host *h, struct probe_address *a, enum look look, struct str in, enum look_end *end)
{
	bool whole = look == LOOK_UNNAMED || look == LOOK_OTHER_KEY || look == LOOK_AGAIN, taken;
	struct hello_answer answer;
	struct buf list;
	int r;

	buf_init(&list, LIMIT_CONN_READ);
	r = hello_answer(in, &answer, whole ? &list : NULL);
	taken = r > 0 && answer.version <= (look == LOOK_CIPHERS_1_3 ? HELLO_TLS_1_3 : HELLO_TLS_1_2);
	if (taken && whole && list.n)
		take_certificate(p, h, a, look, buf_view(&list));
	if (taken && (look == LOOK_CIPHERS || look == LOOK_CIPHERS_1_3))
		taken = take_cipher(a, answer.suite);
	if (taken && (look == LOOK_TLS_1_1 || look == LOOK_TLS_1_0)) {
		taken = answer.version == HELLO_TLS_1_1 || answer.version == HELLO_TLS_1_0;
		a->old_tls |= !taken ? 0 : answer.version == HELLO_TLS_1_0 ? 2 : 4;
		taken &= answer.version == HELLO_TLS_1_1;
	}
	buf_fini(&list);
	*end = taken ? LOOK_TAKEN : LOOK_REFUSED;
	return r != 0;
}

/* behind STARTTLS, in the same packet, stood NOOP (CVE-2011-0411); under TLS only QUIT was said */
static bool read_injected(struct probe_address *a, struct str in, enum look_end *end)
{
	if (in.n < 3)
		return false;
	a->injected = !str_starts(in, STR("221")) && in.p[0] != '4';
	*end = LOOK_TAKEN;
	return true;
}

bool look_answer(const struct probe *p, const struct probe_host *h, struct probe_address *a, enum look look, struct str in, enum look_end *end)
{
	return look == LOOK_INJECTION ? read_injected(a, in, end) : read_hello(p, h, a, look, in, end);
}
