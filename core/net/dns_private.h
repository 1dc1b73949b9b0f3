/* dns_private - what dns.c (queries), dns_question.c (one question on the wire) and dns_host.c (hosts and names, made of questions)
 * share. */
#ifndef CORE_NET_DNS_PRIVATE_H
#define CORE_NET_DNS_PRIVATE_H

#include "core/net/conn.h"
#include "core/net/dns_cache.h"
#include "core/net/dns_codec.h"
#include "core/net/dns_files.h"

struct watched {               /* a file that is read again when it changed */
	char *path;
	struct { int64_t dev, ino, size, mtime, mtime_ns; } seen;
};

struct dns {
	struct loop *loop;
	bool no_cache, dnssec, trust_ad, fixed_servers;
	struct watched resolv, hosts_file;
	usec looked;           /* when the files were looked at */
	struct dns_conf conf;
	struct hosts hosts;
	struct dns_cache cache;
	struct table questions;/* key -> struct question */
	struct list waiting;   /* questions that wait for a place among the flights */
	struct list queries;   /* every struct dns_query */
	unsigned flights;
	unsigned silent;       /* questions to servers of their own that nobody answered, since one was */
	unsigned turn;         /* round robin */
};

struct dns_query {
	struct dns *d;
	struct list all;
	struct list waiter;    /* of its question */
	struct question *question;
	struct loop_task task; /* for answers that need no network */
	bool running;          /* its callback is on the stack: it is freed after that */
	void (*end)(struct dns_query *); /* give up what the kind of query holds; NULL: nothing */
	dns_fn fn;
	void *ctx;
};
void dns_query_init(struct dns_query *q, struct dns *d, void (*run)(struct loop_task *));
void dns_query_free(struct dns_query *q);
void dns_look_at_files(struct dns *d);

/* --- dns_question.c --- */
/* dns_question_of - the one on its way, or a new one that begins after the tick; it is gone when it is answered or nobody waits.
 * at: the server to ask, NULL: those of d->conf */
struct question *dns_question_of(struct dns *d, const struct dns_server *at, const char *name, enum dns_type type);
void dns_question_join(struct question *q, struct list *waiter);
void dns_question_left(struct question *q);                /* somebody who waited is out of its list */
/* dns_question_key - what the answer is kept under in the cache */
void dns_question_key(char key[LIMIT_DNS_KEY], const char *name, enum dns_type type);

#endif
