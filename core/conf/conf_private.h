/* conf_private - what the files of core/conf share; nobody else includes it.
 *
 * A source keeps each name's raw text and where it came from; the struct conf is worked out from it, so that an overlay
 * is a source with more entries on top of another. Of an overlay's rows only those are worked out again whose value depends on a name that
 * changed; a relay has a dozen overlays, and most change nothing but the name of a service. */
#ifndef CORE_CONF_CONF_PRIVATE_H
#define CORE_CONF_CONF_PRIVATE_H

#include "core/base/arena.h"
#include "core/base/hash.h"
#include "core/conf/conf.h"
#include "core/map/map_type.h"

/* --- the source ------------------------------------------------------------------------------------------------- */
/* how a value's $ is read: as in main.cf; only names that exist (environment); not at all (secrets) */
enum conf_text { CONF_TEXT_FULL, CONF_TEXT_KNOWN_NAMES, CONF_TEXT_LITERAL };
struct conf_entry {
	char *name, *raw;
	char *file;            /* NULL: not from a file */
	unsigned line;
	const char *where;     /* conf_where was asked: in the arena */
	enum conf_text text;
	const char *origin;    /* literal: "environment", "option", … when file is NULL */
};
/* origin of what a login of RELAYHOST_USERNAME needs and nobody has set */
#define CONF_FROM_LOGIN "RELAYHOST_USERNAME"
struct conf_secret { char *path; struct stamp stamp; };
/* name_sum - of a parameter's name: names are ours, so their ends and their middle tell them apart well enough */
static inline uint32_t name_sum(struct str name)
{
	uint64_t head = 0, middle = 0, tail = 0;

	if (name.n >= sizeof(head)) {
		memcpy(&head, name.p, sizeof(head));
		memcpy(&middle, name.p + name.n / 2 - sizeof(middle) / 2, sizeof(middle));
		memcpy(&tail, name.p + name.n - sizeof(tail), sizeof(tail));
	}
	for (size_t i = 0; i < name.n && name.n < sizeof(head); i++)
		head = head << 8 | (unsigned char)name.p[i];
	return (uint32_t)((head + 5 * middle + 3 * tail + name.n) * 0x9e3779b97f4a7c15u >> 32);
}

/* name_place - a number for a name: others may have it, too, so a value whose names have none of the numbers of what changed is
 * the same as before, and one of which one has is made again */
enum { NAME_PLACES = 1024, ASKED_END = 0, ASKED_ANY = 1 };
static inline uint16_t name_place(struct str name)
{
	return (uint16_t)(ASKED_ANY + 1 + name_sum(name) % (NAME_PLACES - ASKED_ANY - 1));
}

struct conf_source {
	struct conf_entry **v;         /* in the order of their last setting; of an overlay: only what differs from base */
	size_t n, cap;
	struct table index;            /* name -> entry, of those in v */
	struct table cache;            /* name -> expanded text, in the arena */
	struct arena arena;            /* every text of the conf */
	char *service;                 /* what a service of master.cf is called, $service_name; NULL: none */
	const char *program;           /* and its program, $process_name; a literal */
	unsigned default_depth;        /* computed defaults being computed */
	unsigned refs;                 /* its conf, and each overlay, whose fields point at texts in here */
	struct conf_source *base;      /* of an overlay: the source at the bottom, which no overlay changes; else NULL */
	struct asked { uint16_t *v; size_t n, cap; bool open; } asked; /* at the bottom: for each row the name_place of all names
					* that its value was made of, and ASKED_END; open while the rows are made */
	uint64_t changed[NAME_PLACES / 64]; /* a bit for the name_place of each name that was set or unset here */
	bool own_is_private;           /* of the host's networks, only private ones are mynetworks */
	char *relay_user, *relay_password; /* RELAYHOST_USERNAME, RELAYHOST_PASSWORD; NULL: unset */
	struct conf_secret *secrets;   /* files that _FILE variables name, as they were when they were read */
	size_t n_secrets;
	char *smtpd_users;             /* SMTPD_SASL_USERS; NULL: unset */
};
struct conf_source *source_new(void);
void source_free(struct conf_source *s);
void source_set_login(struct conf_source *s, const char *user, const char *password);
struct conf_source *source_over(struct conf_source *s);     /* for an overlay: the same, to be changed */
struct conf_entry *source_find(const struct conf_source *s, struct str name);
struct conf_entry *source_ask(struct conf_source *s, struct str name);  /* the same, and what is being made depends on it */
void source_asked(struct conf_source *s, uint16_t place);
bool source_concerns(const struct conf_source *s, size_t *at);  /* does what changed concern the row whose names begin at *at? To the next */
struct conf_entry *source_set(struct conf_source *s, struct str name, struct str raw, const char *file, unsigned line);
void source_unset(struct conf_source *s, struct str name);
void source_set_service(struct conf_source *s, const char *service, const char *program);

/* --- logical lines (main.cf, master.cf) -------------------------------------------------------------------------- */
struct lines {
	struct str rest;
	unsigned next;         /* number of the next physical line */
	unsigned line;         /* where the current logical line starts */
	struct buf text;       /* the current logical line */
	bool stray;            /* a continuation line with nothing before it was skipped, at stray_line */
	unsigned stray_line;
};
extern const struct str lines_mark;    /* a byte order mark, which lines_init skips */
bool lines_is_skipped(struct str physical);    /* blank, or a comment */
void lines_init(struct lines *l, struct str text);
void lines_fini(struct lines *l);
bool lines_next(struct lines *l, struct str *out);     /* false at the end */

/* --- the parameter table ----------------------------------------------------------------------------------------- */
enum param_kind { PARAM_TEXT, PARAM_RAW, PARAM_BOOL, PARAM_INT, PARAM_TIME, PARAM_SIZE, PARAM_ENUM, PARAM_WORDS, PARAM_HINTS };
struct param {
	const char *name, *dflt;
	union {
		const char *words; /* PARAM_ENUM, PARAM_WORDS, PARAM_HINTS */
		int64_t lo;    /* PARAM_INT, PARAM_TIME, PARAM_SIZE; hi too */
	};
	int64_t hi;
	uint16_t at;           /* offset in struct conf */
	uint8_t n;             /* length of the name */
	uint8_t kind;          /* enum param_kind; the rows are many, so they are narrow */
	char unit;             /* PARAM_TIME */
};
extern const struct param params[];
extern const size_t n_params;
static inline struct str param_name(const struct param *p) { return str_make(p->name, p->n); }
const struct param *param_find(struct str name);
/* param_store - check text and put it into the field; false with `why` ("bad numeric value … : use …") */
bool param_store(const struct param *p, struct conf *c, const char *text, struct buf *why);
/* param_is_text - is the field a const char *? */
bool param_is_text(const struct param *p);
/* param_check - the same check for a value without a field of its own */
bool param_check(enum param_kind kind, char unit, int64_t lo, int64_t hi, struct str name, struct str text, int64_t *out,
	struct buf *why);

/* --- expansion --------------------------------------------------------------------------------------------------- */
int expand_value(const struct conf *c, struct str name, struct buf *out, struct buf *why);
int expand_text(const struct conf *c, struct str text, enum conf_text how, struct buf *out, struct buf *why);
/* builtin_value - main.cf text of a name that has a value though nobody set it and it is no row of params.def; NULL: none,
 * empty: computed (conf_default_of) */
const char *builtin_value(const struct conf *c, struct str name);
/* conf_default_of - a computed default (myhostname, mydomain, mynetworks) into out */
int conf_default_of(const struct conf *c, const char *name, struct buf *out, struct buf *why);
/* conf_host_has - may this address be bound here? true for what is no address */
bool conf_host_has(struct str address);
/* conf_own_networks - text for mynetworks: the addresses in `interfaces` with masks as `style` says */
void conf_own_networks(const char *interfaces, const char *style, const char *protocols, struct buf *out);

/* --- names of Postfix's parameters ------------------------------------------------------------------------------- */
enum name_class {
	NAME_UNKNOWN,
	NAME_KNOWN,            /* a row of params.def */
	NAME_TRANSPORT,        /* <transport>_destination_… and its like */
	NAME_IGNORED,          /* no effect here, and none missed */
	NAME_WARNING,          /* Postfix has it, relaybox does not */
	NAME_EXCLUDE,          /* ciphers not to use */
	NAME_LOCAL,            /* must not be ignored where mail is delivered locally */
	NAME_ERROR             /* must not be ignored: see advice */
};
enum name_class name_class(struct str name, const char **advice, const char **harmless);
/* name_is_transport_specific - NAME_TRANSPORT: how its value is checked; false if it is not such a name */
bool name_is_transport_specific(struct str name, const char **suffix, enum param_kind *kind);
const char *name_nearest(struct str name, char *out, size_t size); /* NULL if none is near */

/* --- steps of loading -------------------------------------------------------------------------------------------- */
/* conf_env_apply - alone: there is no main.cf, and other images' variables count; true if the environment said something */
bool conf_env_apply(struct conf_source *s, bool alone, struct conf_diag *diag);
/* conf_env_tables - POSTMAP_name: in the place of the file that parameters name, so after all of them */
void conf_env_tables(struct conf_source *s, struct conf_diag *diag);
/* conf_foreign_check - say which variables of other images are set and not done; last of all */
void conf_foreign_check(const struct conf_source *s, bool alone, struct conf_diag *diag);
/* conf_foreign_apply - what they say of parameters: first of all, for everything else is stronger */
void conf_foreign_apply(struct conf_source *s, struct conf_diag *diag);
/* conf_foreign_networks - more networks: last, for they are added to what is there */
void conf_foreign_networks(struct conf_source *s);
/* variables with a login: the first user name that is set counts */
struct conf_login { const char *user[2], *password; };
/* conf_foreign_relayhost - the next hop that SMTP_SERVER and SMTP_PORT name, or RELAY_HOST and RELAY_PORT; false: none */
bool conf_foreign_relayhost(struct buf *out, const struct conf_login **login, struct conf_diag *diag);
/* conf_left_out - the part that this parameter belongs to, if this build has it left out; else NULL */
const char *conf_left_out(struct str name);
void conf_check_entries(const struct conf *c, size_t from, bool with_master, struct conf_diag *diag);
struct conf *conf_build(struct conf_source *s, const char *directory, struct conf_diag *diag); /* takes s; never NULL: see diag */
/* conf_build_over - as base, with what is another in s, which it takes */
struct conf *conf_build_over(const struct conf *base, struct conf_source *s, struct conf_diag *diag);
/* conf_from_text - main.cf's text alone, without the environment (fuzzing, tests); NULL on errors */
struct conf *conf_from_text(struct str text, const char *directory, struct conf_diag *diag);
/* conf_add_error - conf_diag_add with the place where e was set; e NULL: nobody set it */
void conf_add_error(struct conf_diag *d, const struct conf_entry *e, enum conf_severity s, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
const char *source_keep(struct conf_source *s, struct str text);     /* a copy that lives as long as s */
/* conf_transport_overlay - as conf_overlay, for a transport: `service` is $service_name; lmtp reads lmtp_ names */
struct conf *conf_transport_overlay(const struct conf *base, const char *service, const char *program,
	const char *const *overrides, const char *file, unsigned line, struct conf_diag *diag);

#endif
