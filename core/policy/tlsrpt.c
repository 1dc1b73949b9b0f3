/* tlsrpt - see tlsrpt.h. */
#include "core/policy/tlsrpt.h"

#include <string.h>

#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/msg/date.h"

#define HEAD "relaybox tlsrpt 1\n"
#define END "end\n"
#define DAY (86400 * USEC_PER_SEC)
#define LAST_DAY 3652060               /* of the year 9999 */

static const char *const types[TLSRPT_TYPES] = { "no-policy-found", "tlsa", "sts" };
static const char *const results[TLSRPT_RESULTS] = { "", "starttls-not-supported", "certificate-host-mismatch", "certificate-expired",
	"certificate-not-trusted", "validation-failure", "tlsa-invalid", "dnssec-invalid", "dane-required", "sts-policy-fetch-error",
	"sts-policy-invalid", "sts-webpki-invalid" };

const char *tlsrpt_result_word(enum tlsrpt_result x) { return results[x]; }

int64_t tlsrpt_day(usec wall) { return wall / DAY; }

void tlsrpt_init(struct tlsrpt *r)
{
	list_init(&r->tallies);
	r->n = r->held = 0;
}

static size_t weight_of_failure(const struct tlsrpt_failure *f)
{
	return sizeof(*f) + strlen(f->host) + strlen(f->address) + strlen(f->own_address) + strlen(f->reason);
}

static size_t weight(const struct tlsrpt_tally *t) { return sizeof(*t) + strlen(t->domain) + strlen(t->policy); }

static void failure_free(struct tlsrpt *r, struct tlsrpt_failure *f)
{
	r->held -= weight_of_failure(f);
	list_remove(&f->link);
	mem_free(f->host);
	mem_free(f->address);
	mem_free(f->own_address);
	mem_free(f->reason);
	mem_free(f);
}

static void tally_free(struct tlsrpt *r, struct tlsrpt_tally *t)
{
	list_remove(&t->link);
	r->n--;
	r->held -= weight(t);
	LIST_EACH(&t->failures, it, tmp)
		failure_free(r, LIST_ITEM(it, struct tlsrpt_failure, link));
	mem_free(t->domain);
	mem_free(t->policy);
	mem_free(t);
}

void tlsrpt_fini(struct tlsrpt *r)
{
	LIST_EACH(&r->tallies, it, tmp)
		tally_free(r, LIST_ITEM(it, struct tlsrpt_tally, link));
}

/* --- counting --------------------------------------------------------------------------------------------------------- */

/* the newest are behind, and what was counted last is counted next */
static struct tlsrpt_tally *tally_find(struct tlsrpt *r, int64_t day, struct str domain, enum tlsrpt_type type, struct str policy)
{
	for (struct list *it = r->tallies.prev; it != &r->tallies; it = it->prev) {
		struct tlsrpt_tally *t = LIST_ITEM(it, struct tlsrpt_tally, link);

		if (t->day < day)
			break;
		if (t->day == day && t->type == type && str_eq(str_of(t->domain), domain) && str_eq(str_of(t->policy), policy))
			return t;
	}
	return NULL;
}

static struct tlsrpt_tally *tally_new(struct tlsrpt *r, int64_t day, struct str domain, enum tlsrpt_type type, struct str policy)
{
	struct tlsrpt_tally *t = MEM_NEW(struct tlsrpt_tally);

	t->day = day;
	t->domain = str_dup(domain);
	t->policy = str_dup(policy);
	t->type = type;
	list_init(&t->failures);
	list_append(&r->tallies, &t->link);
	r->n++;
	r->held += weight(t);
	return t;
}

/* shrink - the oldest go, and never the last; false: some went */
static bool shrink(struct tlsrpt *r)
{
	size_t before = r->n;

	LIST_EACH(&r->tallies, it, tmp) {
		if (r->n <= LIMIT_TLSRPT_TALLIES && (r->n <= 1 || r->held <= LIMIT_TLSRPT_HELD))
			break;
		tally_free(r, LIST_ITEM(it, struct tlsrpt_tally, link));
	}
	return r->n == before;
}

static char *one_line(struct str s)
{
	char *made = str_dup(str_head(s, LIMIT_TLSRPT_REASON));

	for (char *c = made; *c; c++)
		if (ascii_is_control(*c))
			*c = ' ';
	return made;
}

static void add_failure(struct tlsrpt *r, struct tlsrpt_tally *t, const struct tlsrpt_session *s, uint64_t count)
{
	struct tlsrpt_failure *f;

	LIST_EACH(&t->failures, it, tmp) {
		f = LIST_ITEM(it, struct tlsrpt_failure, link);
		if (f->result != s->result || !str_eq(str_of(f->host), s->host) || !str_eq(str_of(f->address), s->address))
			continue;
		f->count += count;
		return;
	}
	/* the others are in the sum */
	if (t->n_failures >= LIMIT_TLSRPT_FAILURES)
		return;
	f = MEM_NEW(struct tlsrpt_failure);
	f->result = s->result;
	f->count = count;
	f->host = one_line(s->host);
	f->address = one_line(s->address);
	f->own_address = one_line(s->own_address);
	f->reason = one_line(s->reason);
	list_append(&t->failures, &f->link);
	t->n_failures++;
	r->held += weight_of_failure(f);
}

bool tlsrpt_count(struct tlsrpt *r, int64_t day, const struct tlsrpt_session *s)
{
	struct tlsrpt_tally *t = tally_find(r, day, s->domain, s->type, s->policy);

	if (!t)
		t = tally_new(r, day, s->domain, s->type, s->policy);
	if (s->result == TLSRPT_GOOD) {
		t->good++;
	} else {
		t->bad++;
		add_failure(r, t, s, 1);
	}
	return shrink(r);
}

void tlsrpt_drop(struct tlsrpt *r, int64_t day, struct str domain)
{
	LIST_EACH(&r->tallies, it, tmp) {
		struct tlsrpt_tally *t = LIST_ITEM(it, struct tlsrpt_tally, link);

		if (t->day == day && str_eq(str_of(t->domain), domain))
			tally_free(r, t);
	}
}

/* --- the file ----------------------------------------------------------------------------------------------------------- */

static void put_word(struct buf *out, const char *text)
{
	buf_printf(out, " %s", *text ? text : "-");
}

static void write_tally(const struct tlsrpt_tally *t, struct buf *out)
{
	struct str rest = str_of(t->policy), line;

	buf_printf(out, "tally %lld %s %s %llu %llu\n", (long long)t->day, types[t->type], t->domain, (unsigned long long)t->good,
		(unsigned long long)t->bad);
	while (str_cut(&rest, '\n', &line))
		buf_printf(out, "policy %.*s\n", STR_ARG(line));
	for (struct list *k = t->failures.next; k != &t->failures; k = k->next) {
		const struct tlsrpt_failure *f = LIST_ITEM(k, struct tlsrpt_failure, link);

		buf_printf(out, "failure %s %llu", results[f->result], (unsigned long long)f->count);
		put_word(out, f->host);
		put_word(out, f->address);
		put_word(out, f->own_address);
		put_word(out, f->reason);
		buf_byte(out, '\n');
	}
}

void tlsrpt_write(const struct tlsrpt *r, struct buf *out)
{
	size_t before;

	buf_z(out, HEAD);
	for (struct list *it = r->tallies.next; it != &r->tallies; it = it->next) {
		before = out->n;
		write_tally(LIST_ITEM(it, struct tlsrpt_tally, link), out);
		if (!out->overflow && out->max - out->n >= sizeof(END) - 1)
			continue;
		/* the first ones are kept: a file that is cut is none */
		buf_truncate(out, before);
		out->overflow = false;
		break;
	}
	buf_z(out, END);
}

static bool find_word(struct str word, const char *const *words, int first, int n, int *out)
{
	for (*out = first; *out < n; ++*out)
		if (str_eq(word, str_of(words[*out])))
			return true;
	return false;
}

static bool read_tally(struct tlsrpt *r, struct str rest, struct tlsrpt_tally **out)
{
	struct str day, type, domain, good;
	uint64_t n;
	int t;

	if (!str_cut(&rest, ' ', &day) || !str_to_u64(day, &n) || n > LAST_DAY || !str_cut(&rest, ' ', &type) ||
	    !find_word(type, types, 0, TLSRPT_TYPES, &t) || !str_cut(&rest, ' ', &domain) || !domain.n || domain.n > LIMIT_DOMAIN || !str_cut(&rest, ' ', &good))
		return false;
	*out = tally_new(r, (int64_t)n, domain, (enum tlsrpt_type)t, STR_EMPTY);
	return r->n <= LIMIT_TLSRPT_TALLIES && str_to_u64(good, &(*out)->good) && str_to_u64(rest, &(*out)->bad);
}

static bool read_failure(struct tlsrpt *r, struct tlsrpt_tally *t, struct str rest)
{
	struct tlsrpt_session s = { .result = TLSRPT_GOOD };
	struct str word, count;
	uint64_t n;
	int k;

	if (!str_cut(&rest, ' ', &word) || !find_word(word, results, 1, TLSRPT_RESULTS, &k) || !str_cut(&rest, ' ', &count) || !str_to_u64(count, &n) ||
	    !str_cut(&rest, ' ', &s.host) || !str_cut(&rest, ' ', &s.address) || !str_cut(&rest, ' ', &s.own_address))
		return false;
	s.result = (enum tlsrpt_result)k;
	s.reason = rest;
	for (struct str *x[] = { &s.host, &s.address, &s.own_address, &s.reason, NULL }, **p = x; *p; p++)
		if (str_eq(**p, STR("-")))
			**p = STR_EMPTY;
	add_failure(r, t, &s, n);
	return true;
}

static void add_policy(struct tlsrpt *r, struct tlsrpt_tally *t, struct str line)
{
	struct buf all;

	r->held -= weight(t);
	buf_init(&all, LIMIT_STS_POLICY);
	buf_printf(&all, "%s%.*s\n", t->policy, STR_ARG(line));
	mem_free(t->policy);
	t->policy = str_dup(buf_view(&all));
	r->held += weight(t);
	buf_fini(&all);
}

static bool read_lines(struct tlsrpt *r, struct str text)
{
	struct tlsrpt_tally *t = NULL;
	struct str line, word;

	while (str_cut(&text, '\n', &line)) {
		if (!str_cut(&line, ' ', &word))
			return false;
		if (str_eq(word, STR("tally")) && read_tally(r, line, &t))
			continue;
		if (!t || (!str_eq(word, STR("policy")) && !str_eq(word, STR("failure"))))
			return false;
		if (str_eq(word, STR("policy")))
			add_policy(r, t, line);
		else if (!read_failure(r, t, line))
			return false;
	}
	return true;
}

bool tlsrpt_read(struct tlsrpt *r, struct str text)
{
	struct buf again;
	bool good = str_starts(text, STR(HEAD)) && str_ends(text, STR("\n" END));

	tlsrpt_init(r);
	if (good)
		good = read_lines(r, str_head(str_from(text, strlen(HEAD)), text.n - strlen(HEAD) - strlen(END)));
	buf_init(&again, LIMIT_TLSRPT_FILE);
	if (good)
		tlsrpt_write(r, &again);
	good = good && str_eq(buf_view(&again), text);
	buf_fini(&again);
	if (!good)
		tlsrpt_fini(r);
	(void)shrink(r);
	return good;
}

/* --- a report ------------------------------------------------------------------------------------------------------------- */

static void put_member(struct buf *out, const char *before, const char *name, struct str value)
{
	buf_printf(out, "%s\"%s\":", before, name);
	buf_json(out, value);
}

/* the lines of a policy, or the patterns of its MX hosts alone */
static void put_lines(struct buf *out, const char *name, struct str lines, struct str only)
{
	const char *before = "";
	struct str line;

	buf_printf(out, ",\"%s\":[", name);
	while (str_cut(&lines, '\n', &line)) {
		if (!str_starts(line, only))
			continue;
		buf_z(out, before);
		buf_json(out, str_from(line, only.n));
		before = ",";
	}
	buf_byte(out, ']');
}

static void put_failure(struct buf *out, const char *before, const struct tlsrpt_failure *f)
{
	put_member(out, before, "result-type", str_of(results[f->result]));
	if (*f->own_address)
		put_member(out, ",", "sending-mta-ip", str_of(f->own_address));
	if (*f->host)
		put_member(out, ",", "receiving-mx-hostname", str_of(f->host));
	if (*f->address)
		put_member(out, ",", "receiving-ip", str_of(f->address));
	buf_printf(out, ",\"failed-session-count\":%llu", (unsigned long long)f->count);
	if (*f->reason)
		put_member(out, ",", "failure-reason-code", str_of(f->reason));
	buf_byte(out, '}');
}

static void put_tally(struct buf *out, const struct tlsrpt_tally *t)
{
	const char *before = "{";

	put_member(out, "{\"policy\":{", "policy-type", str_of(types[t->type]));
	if (*t->policy)
		put_lines(out, "policy-string", str_of(t->policy), STR_EMPTY);
	put_member(out, ",", "policy-domain", str_of(t->domain));
	if (t->type == TLSRPT_STS && *t->policy)
		put_lines(out, "mx-host", str_of(t->policy), STR("mx: "));
	buf_printf(out, "},\"summary\":{\"total-successful-session-count\":%llu,\"total-failure-session-count\":%llu}",
		(unsigned long long)t->good, (unsigned long long)t->bad);
	if (t->n_failures)
		buf_z(out, ",\"failure-details\":[");
	LIST_EACH(&t->failures, it, tmp) {
		put_failure(out, before, LIST_ITEM(it, struct tlsrpt_failure, link));
		before = ",{";
	}
	buf_z(out, t->n_failures ? "]}" : "}");
}

static void put_date(struct buf *out, const char *before, const char *name, usec at)
{
	char date[40];

	date_rfc3339(date, at, 0);
	/* to the second, in UTC */
	date[19] = 0;
	buf_printf(out, "%s\"%s\":\"%sZ\"", before, name, date);
}

bool tlsrpt_report(const struct tlsrpt *r, int64_t day, struct str domain, const struct tlsrpt_about *x, struct buf *out)
{
	const char *before = "";

	put_member(out, "{", "organization-name", x->organization);
	put_date(out, ",\"date-range\":{", "start-datetime", day * DAY);
	put_date(out, ",", "end-datetime", (day + 1) * DAY - USEC_PER_SEC);
	put_member(out, "},", "contact-info", x->contact);
	put_member(out, ",", "report-id", x->id);
	buf_z(out, ",\"policies\":[");
	for (struct list *it = r->tallies.next; it != &r->tallies; it = it->next) {
		const struct tlsrpt_tally *t = LIST_ITEM(it, struct tlsrpt_tally, link);

		if (t->day != day || !str_eq(str_of(t->domain), domain))
			continue;
		buf_z(out, before);
		put_tally(out, t);
		before = ",";
	}
	buf_z(out, "]}\n");
	return *before;
}
