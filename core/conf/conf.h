/* conf - main.cf, master.cf and the environment, as one checked value.
 *
 * params.def is the single list of parameters: a row makes the field of `struct conf`, the default, the check, the dump
 * (relayd -n, -D) and the row that the manual must have. A conf is immutable once loaded; a reload makes a new one. A
 * master.cf line with -o overrides gets a conf of its own (conf_overlay), so the code that serves it only ever looks at
 * one struct. Syntax: postconf(5); docs/postfix-semantics.md. Errors name file, line and fix. */
#ifndef CORE_CONF_CONF_H
#define CORE_CONF_CONF_H

#include <stdio.h>

#include "core/base/buf.h"
#include "core/base/clock.h"

/* Row kinds, each with its C type:
 *   P_TEXT(name, default, help)              const char *   expanded, never NULL
 *   P_NAMED(name, field, default, help)      const char *   a P_TEXT whose name is not a C name
 *   P_RAW(name, default, help)               const char *   not expanded here ($name is for the reader, e.g. smtpd_banner is P_TEXT)
 *   P_BOOL(name, default, help)              bool           yes | no
 *   P_INT(name, default, lo, hi, help)       int64_t
 *   P_TIME(name, default, unit, lo, hi, help) usec          "300s"; unit = letter used when the value has none; lo, hi in seconds
 *   P_SIZE(name, default, lo, hi, help)      int64_t        bytes
 *   P_WORDS(name, default, words, help)      const char *   a list of some of these words
 *   P_HINTS(name, default, words, help)      const char *   the same, and others are told but taken
 *   P_ENUM(name, default, words, help)       int            index in "none|may|encrypt"; -1 when empty
 * Defaults are main.cf text and may use $name. */
#define P_TEXT(name, dflt, help) const char *name;
#define P_NAMED(name, field, dflt, help) const char *field;
#define P_RAW(name, dflt, help) const char *name;
#define P_BOOL(name, dflt, help) bool name;
#define P_INT(name, dflt, lo, hi, help) int64_t name;
#define P_TIME(name, dflt, unit, lo, hi, help) usec name;
#define P_SIZE(name, dflt, lo, hi, help) int64_t name;
#define P_WORDS(name, dflt, words, help) const char *name;
#define P_HINTS(name, dflt, words, help) const char *name;
#define P_ENUM(name, dflt, words, help) int name;

struct conf_source;
struct conf {
#include "core/conf/params.def"
	const char *config_directory;  /* where main.cf was read */
	bool has_file;                 /* there was a main.cf */
	bool configured;               /* main.cf or the environment said something; false: built-in loopback-only set-up */
	bool smtp_tls_level_is_ours;   /* nobody chose smtp_tls_security_level: RELAYHOST_USERNAME did */
	bool smtp_server_is_ours;      /* what these settings are for is the way to relayd on this host */
	const char *relay_username, *relay_password; /* RELAYHOST_USERNAME, _PASSWORD; NULL: unset. See conf_relay_login */
	const char *smtpd_users;       /* SMTPD_SASL_USERS: user:password elements of clients that log in; NULL: unset */
	struct conf_source *source;    /* every name and raw value with its file and line */
};
#undef P_TEXT
#undef P_NAMED
#undef P_RAW
#undef P_BOOL
#undef P_INT
#undef P_TIME
#undef P_SIZE
#undef P_WORDS
#undef P_HINTS
#undef P_ENUM

/* indexes of P_ENUM words that code compares with */
enum conf_tls_level {
	CONF_TLS_UNSET = -1, CONF_TLS_NONE, CONF_TLS_MAY, CONF_TLS_ENCRYPT, CONF_TLS_FINGERPRINT, CONF_TLS_VERIFY,
	CONF_TLS_SECURE, CONF_TLS_DANE, CONF_TLS_DANE_ONLY  /* none|may|encrypt|fingerprint|verify|secure|dane|dane-only */
};
enum conf_sandbox { CONF_SANDBOX_YES, CONF_SANDBOX_NO, CONF_SANDBOX_REQUIRED };
enum conf_submission { CONF_SUBMIT_AUTO, CONF_SUBMIT_SOCKET, CONF_SUBMIT_MAILDROP, CONF_SUBMIT_DIRECT };
enum conf_line_ends { CONF_ENDS_ALWAYS, CONF_ENDS_STRICT, CONF_ENDS_NEVER };
enum conf_log_format { CONF_LOG_TEXT, CONF_LOG_JSON };
enum conf_preference { CONF_PREFER_ANY, CONF_PREFER_IPV4, CONF_PREFER_IPV6 };
enum conf_dns_support { CONF_DNS_UNSET = -1, CONF_DNS_DISABLED, CONF_DNS_ENABLED, CONF_DNS_DNSSEC };
enum conf_proxy { CONF_PROXY_NONE = -1, CONF_PROXY_HAPROXY };
/* smtp_tls_security_level and smtpd_tls_security_level are never CONF_TLS_UNSET in a loaded conf: an empty value is
 * resolved with the old _use_tls and _enforce_tls, else CONF_TLS_NONE. */
enum conf_protocols { CONF_INET_ALL = 0, CONF_INET_IPV4 = 1, CONF_INET_IPV6 = 2, CONF_INET_BOTH = 3 };

/* what went wrong or looks wrong, in file order */
enum conf_severity { CONF_NOTE, CONF_WARNING, CONF_ERROR };
struct conf_diag {
	struct conf_finding {
		enum conf_severity severity;
		char *file;   /* NULL: not from a file */
		unsigned line; /* 0: unknown */
		char *text;   /* "what: why; fix" */
	} *v;
	size_t n, errors;
	bool advice; /* somebody reads warnings: what has to look for them (in whole tables, say) does */
};
void conf_diag_init(struct conf_diag *d);
void conf_diag_part(struct conf_diag *part, const struct conf_diag *d); /* empty, of one who reads as d's does: for conf_diag_take */
void conf_diag_fini(struct conf_diag *d);
void conf_diag_add(struct conf_diag *d, enum conf_severity s, const char *file, unsigned line, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
struct conf;
/* conf_diag_locate - findings without a place whose text begins "parameter: " get the file and line that set it */
void conf_diag_locate(struct conf_diag *d, const struct conf *c);
/* conf_diag_take - append what was found in c, a conf with overrides, each with its place; not what d has already, for other
 * confs of the same file say the same. from is empty then */
void conf_diag_take(struct conf_diag *d, struct conf_diag *from, const struct conf *c);
void conf_diag_print(const struct conf_diag *d, FILE *to, const char *program); /* `relayd: /etc/x/main.cf:12: …` */

/* conf_default_directory - -c DIR, else MAIL_CONFIG, else /etc/relaybox, else /etc/postfix if only that exists.
 * Never NULL; the directory may not exist (relayd then runs on defaults). */
const char *conf_default_directory(const char *from_option);
/* conf_load - read DIR/main.cf (absent: defaults) and the environment (POSTFIX_x, POSTFIX_x_FILE, RELAYHOST …).
 * Returns NULL when diag holds an error. Owned by the caller (conf_free). `extra` are `name=value` overrides, last and
 * strongest, NULL-terminated, or NULL. */
struct conf *conf_load(const char *directory, const char *const *extra, struct conf_diag *diag);
/* conf_load_whole - never NULL: what is wrong has its default, for who wants to see all that is wrong at once */
struct conf *conf_load_whole(const char *directory, const char *const *extra, struct conf_diag *diag);
/* conf_overlay - a conf of its own with `name=value` overrides (master.cf -o) applied over base's source */
struct conf *conf_overlay(const struct conf *base, const char *const *overrides, const char *file, unsigned line,
	struct conf_diag *diag);
void conf_free(struct conf *c);
/* conf_get - expanded value of any name, known or not (transport-specific names such as relay_destination_rate_delay);
 * NULL if not set anywhere. Valid as long as the conf. */
const char *conf_get(const struct conf *c, const char *name);
/* conf_expand - expand $names in text against c; 0, or -1 (depth, syntax) with why */
int conf_expand(const struct conf *c, struct str text, struct buf *out, struct buf *why);
/* conf_parse_time - "5s", "2h", "1d12h" with default unit; false if not a time */
bool conf_parse_time(struct str s, char unit, usec *out);
/* conf_distance - edits between two words, whatever their case; more than `bound` counts as bound + 1 */
unsigned conf_distance(struct str a, struct str b, unsigned bound);
/* conf_dump - `name = value` lines: every parameter with its default, what was set, or every parameter with its value; expanded:
 * without $names; bare: the values alone */
enum conf_dump_what { CONF_DUMP_DEFAULTS, CONF_DUMP_SET, CONF_DUMP_ALL };
void conf_dump(const struct conf *c, enum conf_dump_what what, bool expanded, bool bare, FILE *to);
/* conf_print - one such line; as postconf(1) has it, a run of blanks is one */
void conf_print(const char *name, const char *text, bool bare, FILE *to);
/* conf_text - what conf_dump prints behind the name, of any name that has a value, Postfix's fixed ones too; NULL: none. Valid as
 * long as the conf */
const char *conf_text(const struct conf *c, const char *name, enum conf_dump_what what, bool expanded);
/* conf_is_name - a parameter that relaybox, Postfix or one of its transports may have? */
bool conf_is_name(const char *name);
/* conf_where - "main.cf:12" of a set parameter, or "default"/"environment"; for explain and errors */
const char *conf_where(const struct conf *c, const char *name);
/* conf_is_set - was the name given a value in a file, the environment or an override? (else it has its default) */
bool conf_is_set(const struct conf *c, const char *name);
/* conf_relay_login - RELAYHOST_USERNAME and RELAYHOST_PASSWORD, if both exist and nexthop (verbatim) is an element of
 * relayhost. The client asks this before smtp_sasl_password_maps. Never log the password. */
bool conf_relay_login(const struct conf *c, struct str nexthop, const char **username, const char **password);
/* conf_secrets_changed - is a file that a _FILE variable names another than it was when it was read, or last asked about? */
bool conf_secrets_changed(struct conf *c);
/* conf_without - the parts that this build has left out, with blanks between them; "": it is whole */
const char *conf_without(void);
/* conf_set_relay_login - as if RELAYHOST_USERNAME and RELAYHOST_PASSWORD had been these, NULL for none; copies. Before anything is made of c */
void conf_set_relay_login(struct conf *c, const char *username, const char *password);

/* --- editing main.cf (postconf(1), -e and -X) ---------------------------------------------------------------------- */
struct conf_change {
	struct str name, value;        /* views of what was parsed; the value goes into the file as it is */
	bool take_out;
};
/* conf_change_parse - "name = value", or to take it out "name"; false with why: no name, a comment, more than one line */
bool conf_change_parse(const char *text, bool take_out, struct conf_change *out, struct buf *why);
/* conf_edit_text - text with the changes made: where a name is set its line and those that continue it are replaced, each time it
 * is there; a new name comes at the end; comments and all else stay as they are. Of two changes of a name the last one counts */
void conf_edit_text(struct str text, const struct conf_change *v, size_t n, struct buf *out);
/* conf_edit - the same with DIR/main.cf, which must be there: whole or not at all, one editor at a time, and owner and mode stay.
 * Behind a symbolic link the file is replaced, not the link. 0, or -1 with why */
int conf_edit(const char *directory, const struct conf_change *v, size_t n, struct buf *why);

/* --- per-transport view --------------------------------------------------------------------------------------- */
/* conf_transport_int/time/text - <transport>_<suffix> if set, else its own default, default_<suffix> or <suffix>
 * (e.g. "destination_concurrency_limit", "initial_destination_concurrency") */
int64_t conf_transport_int(const struct conf *c, const char *transport, const char *suffix);
usec conf_transport_time(const struct conf *c, const char *transport, const char *suffix);
const char *conf_transport_text(const struct conf *c, const char *transport, const char *suffix); /* "" if unset */

/* --- master.cf -------------------------------------------------------------------------------------------------- */
struct master_listener {
	char *host;            /* as written before ':', without brackets; "" = inet_interfaces */
	uint16_t port;
	int64_t maxproc;       /* sessions at the same time; 0: no limit (default_process_limit where the line says "-") */
	struct conf *conf;     /* owned; with this line's -o overrides */
	char *name;            /* what the line calls itself ("smtp", "submission", "2525"), for messages */
	unsigned line;
};
/* who serves a transport; master_programs has a row for each */
enum master_program { MASTER_SMTP, MASTER_LMTP, MASTER_LOCAL, MASTER_VIRTUAL, MASTER_ERROR, MASTER_RETRY, MASTER_DISCARD, MASTER_PROGRAMS };
struct master_program_row {
	const char *name;
	bool connects;         /* its next hop is a list of servers */
	bool answers;          /* its next hop is the answer to all mail */
};
extern const struct master_program_row master_programs[MASTER_PROGRAMS];
struct master_transport {
	char *name;            /* "smtp", "relay", "slow", "local", "error" … */
	enum master_program program;
	int64_t maxproc;       /* deliveries at the same time; 0: no limit */
	struct conf *conf;     /* owned */
	unsigned line;         /* 0: built in */
};
/* what mail that comes in goes through, by the name that cleanup_service_name has for it; only lines with -o options */
struct master_cleanup { char *name; struct conf *conf; /* owned */ unsigned line; };
struct master {
	struct master_listener *listeners;
	size_t n_listeners;
	struct master_transport *transports;  /* the built-in ones are always there */
	size_t n_transports;
	struct master_cleanup *cleanups;
	size_t n_cleanups;
	struct buf cleanup_names;             /* of all, a bar behind each */
};
/* master_load - DIR/master.cf, with the lines that POSTFIXMASTER_service__type variables replace, add or (empty) take out;
 * absent: listeners from smtpd_listen and the built-in transports */
int master_load(const struct conf *c, struct master *out, struct conf_diag *diag);
/* master_load_whole - the same; what is wrong is left out, and the rest is there */
void master_load_whole(const struct conf *c, struct master *out, struct conf_diag *diag);
void master_fini(struct master *m);
/* master_parse_endpoint - "[host:]port", port a number or a service name; false with why. *host is a view of s */
bool master_parse_endpoint(struct str s, struct str *host, uint16_t *port, struct buf *why);
/* master_print - DIR/master.cf as postconf -M prints it, or its -o options as postconf -P does: `service/type/name = value` or, bare,
 * the value. wanted: "service[/type[/name]]", where * is any; NULL: all. The number of lines printed, or -1 with why. What the
 * environment says of services is not there */
enum master_form { MASTER_LINES, MASTER_OPTIONS, MASTER_VALUES };
int master_print(const char *directory, const char *wanted, enum master_form form, FILE *to, struct buf *why);
const struct master_transport *master_find_transport(const struct master *m, struct str name);
/* master_owns - is t (NULL: no) one of m's? */
bool master_owns(const struct master *m, const struct master_transport *t);

#endif
