/* master_line - one line of master.cf: service type private unpriv chroot wakeup maxproc command arguments (master(5)).
 * Arguments may be { in braces }; only -o name=value means something here. */
#include "core/base/fs.h"
#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/conf/master_private.h"

#define SPACES " \t\r\n"

/* take_argument - the next argument; braces hold one together, and are taken off */
static bool take_argument(struct str *rest, struct str *out, struct buf *why)
{
	size_t level = 0;

	*rest = str_trim(*rest);
	if (!rest->n)
		return false;
	if (rest->p[0] != '{')
		return str_word(rest, SPACES, out);
	for (size_t i = 0; i < rest->n; i++) {
		level += rest->p[i] == '{';
		if (rest->p[i] != '}' || --level)
			continue;
		*out = str_trim(str_make(rest->p + 1, i - 1));
		*rest = str_from(*rest, i + 1);
		return true;
	}
	buf_z(why, "missing } in the arguments");
	return false;
}

/* add_override - "name = value" as "name=value" */
static bool add_override(struct master_line *l, struct str text, struct buf *why)
{
	ptrdiff_t eq = str_chr(text, '=');
	struct buf joined;

	if (eq <= 0 || l->n_overrides == MASTER_OVERRIDES) {
		buf_printf(why, "bad -o option \"%.*s\": write -o name=value, or -o { name = value }", STR_ARG(str_head(text, 80)));
		return false;
	}
	buf_init(&joined, LIMIT_CONF_VALUE);
	buf_str(&joined, str_trim(str_head(text, (size_t)eq)));
	buf_byte(&joined, '=');
	buf_str(&joined, str_trim(str_from(text, (size_t)eq + 1)));
	l->overrides[l->n_overrides++] = buf_take(&joined);
	return true;
}

/* take_options - the -o options among the arguments; others belong to programs that are not run here */
static bool take_options(struct master_line *l, struct str rest, struct buf *why)
{
	struct str arg;

	while (take_argument(&rest, &arg, why)) {
		if (!str_starts(arg, STR("-o")))
			continue;
		arg = str_from(arg, 2);
		if (!arg.n && !take_argument(&rest, &arg, why)) {
			if (!why->n)
				buf_z(why, "-o without name=value at the end of the line");
			return false;
		}
		if (!add_override(l, arg, why))
			return false;
	}
	return !why->n;
}

static bool known_type(struct str type)
{
	static const char *const types[] = { "inet", "unix", "fifo", "pass", "unix-dgram" };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (str_eq(type, str_of(types[i])))
			return true;
	return false;
}

static bool is_served_program(struct str program)
{
	static const char *const programs[] = { "smtpd", "postscreen", "smtp", "lmtp", "local", "virtual", "error", "retry",
		"discard", "cleanup" };

	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++)
		if (str_eq(program, str_of(programs[i])))
			return true;
	return false;
}

bool master_line_parse(struct str line, unsigned number, struct master_line *out, struct buf *why)
{
	struct str rest = line, *field = out->field;
	size_t n = 0;
	uint64_t limit;

	memset(out, 0, sizeof(*out));
	out->number = number;
	out->maxproc = -1;
	while (n < 8 && str_word(&rest, SPACES, &field[n]))
		n++;
	if (n < 8) {
		buf_printf(why, "%zu fields, but a line needs eight: service type private unpriv chroot wakeup maxproc command", n);
		return false;
	}
	out->service = field[0];
	out->type = field[1];
	out->program = field[7];
	out->arguments = str_trim(rest);
	if (!known_type(out->type)) {
		buf_printf(why, "bad type \"%.*s\": use inet, unix, fifo, pass or unix-dgram", STR_ARG(str_head(out->type, 40)));
		return false;
	}
	if (str_to_u64(field[6], &limit) && limit <= INT32_MAX) {
		out->maxproc = (int64_t)limit;
	} else if (!str_eq(field[6], STR("-"))) {
		buf_printf(why, "bad process limit \"%.*s\": use a number or -", STR_ARG(str_head(field[6], 40)));
		return false;
	}
	return !is_served_program(out->program) || take_options(out, rest, why);
}

void master_line_fini(struct master_line *l)
{
	for (size_t i = 0; i < l->n_overrides; i++)
		mem_free((void *)(uintptr_t)l->overrides[i]);
}

/* --- endpoints ---------------------------------------------------------------------------------------------------- */

/* find_in_services - the port of a tcp service in the text of /etc/services */
static bool find_in_services(struct str text, struct str name, uint64_t *port)
{
	struct str line, word, number, proto;

	while (str_cut(&text, '\n', &line)) {
		ptrdiff_t hash = str_chr(line, '#');
		struct str rest = hash < 0 ? line : str_head(line, (size_t)hash);
		bool hit;

		if (!str_word(&rest, SPACES, &word) || !str_word(&rest, SPACES, &number))
			continue;
		hit = str_eq(word, name);
		while (!hit && str_word(&rest, SPACES, &word))
			hit = str_eq(word, name);
		if (hit && str_cut(&number, '/', &proto) && str_to_u64(proto, port) && str_eq(number, STR("tcp")))
			return true;
	}
	return false;
}

static bool parse_port(struct str s, uint16_t *port)
{
	static const struct { const char *name; uint16_t port; } known[] = {
		{ "smtp", 25 }, { "submission", 587 }, { "submissions", 465 }, { "smtps", 465 }, { "lmtp", 24 },
	};
	struct buf services;
	uint64_t n;
	bool ok = str_to_u64(s, &n);

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]) && !ok; i++) {
		ok = str_eq(s, str_of(known[i].name));
		n = known[i].port;
	}
	if (!ok && s.n) {
		buf_init(&services, LIMIT_CONF_FILE);
		ok = fs_read_file("/etc/services", &services) == 0 && find_in_services(buf_view(&services), s, &n);
		buf_fini(&services);
	}
	if (!ok || n < 1 || n > 65535)
		return false;
	*port = (uint16_t)n;
	return true;
}

bool master_parse_endpoint(struct str s, struct str *host, uint16_t *port, struct buf *why)
{
	ptrdiff_t colon = str_rchr(s, ':');
	struct str service = colon < 0 ? s : str_from(s, (size_t)colon + 1);

	*host = colon < 0 ? STR("") : str_head(s, (size_t)colon);
	if (host->n > 2 && host->p[0] == '[' && host->p[host->n - 1] == ']') {
		*host = str_make(host->p + 1, host->n - 2);
	} else if (str_chr(*host, ':') >= 0 || str_chr(*host, '[') >= 0 || str_chr(s, ']') >= 0) {
		buf_printf(why, "bad address \"%.*s\": write an IPv6 address as [::1]:port", STR_ARG(str_head(s, 80)));
		return false;
	}
	if (parse_port(service, port))
		return true;
	buf_printf(why, "unknown service \"%.*s\": use a port number (1 to 65535) or a name from /etc/services",
		STR_ARG(str_head(service, 80)));
	return false;
}
