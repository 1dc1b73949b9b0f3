/* names - is this a parameter of ours, of Postfix, of a transport, or a slip of the pen? */
#include "core/conf/conf_private.h"

static const struct {
	enum name_class class;
	const char *names, *harmless, *advice;
} groups[] = {
#define IGNORED(names_) { NAME_IGNORED, names_, "", NULL },
#define WARNING(names_, advice_) { NAME_WARNING, names_, "", advice_ },
#define FIXED(names_, harmless_, advice_) { NAME_WARNING, names_, harmless_, advice_ },
#define EXCLUDE(names_) { NAME_EXCLUDE, names_, "", NULL },
#define LOCAL(names_, harmless_, advice_) { NAME_LOCAL, names_, harmless_, advice_ },
#define ERROR(names_, harmless_, advice_) { NAME_ERROR, names_, harmless_, advice_ },
#include "core/conf/postfix_names.def"
};

/* what may follow <transport>_, and how its value is checked */
static const struct {
	const char *suffix;
	enum param_kind kind;
} transport_suffixes[] = {
	{ "destination_concurrency_limit", PARAM_INT },
	{ "destination_recipient_limit", PARAM_INT },
	{ "destination_rate_delay", PARAM_TIME },
	{ "initial_destination_concurrency", PARAM_INT },
	{ "destination_concurrency_failed_cohort_limit", PARAM_INT },
	{ "destination_concurrency_positive_feedback", PARAM_TEXT },
	{ "destination_concurrency_negative_feedback", PARAM_TEXT },
	{ "transport_rate_delay", PARAM_TIME },
	{ "time_limit", PARAM_TIME },
	{ "recipient_limit", PARAM_INT },
	{ "extra_recipient_limit", PARAM_INT },
	{ "recipient_refill_limit", PARAM_INT },
	{ "recipient_refill_delay", PARAM_TIME },
	{ "delivery_slot_cost", PARAM_INT },
	{ "delivery_slot_loan", PARAM_INT },
	{ "delivery_slot_discount", PARAM_INT },
	{ "minimum_delivery_slots", PARAM_INT },
	{ "delivery_status_filter", PARAM_TEXT },
};

bool name_is_transport_specific(struct str name, const char **suffix, enum param_kind *kind)
{
	for (size_t i = 0; i < sizeof(transport_suffixes) / sizeof(transport_suffixes[0]); i++) {
		struct str s = str_of(transport_suffixes[i].suffix);

		if (name.n < s.n + 2 || !str_ends(name, s) || name.p[name.n - s.n - 1] != '_')
			continue;
		*suffix = s.p;
		*kind = transport_suffixes[i].kind;
		return true;
	}
	return false;
}

static bool in_list(const char *names, struct str name)
{
	struct str rest = str_of(names), word;

	while (str_cut(&rest, ' ', &word))
		if (str_eq(word, name))
			return true;
	return false;
}

static enum name_class class_in_groups(struct str name, const char **advice, const char **harmless)
{
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		if (!in_list(groups[i].names, name))
			continue;
		*advice = groups[i].advice;
		*harmless = groups[i].harmless;
		return groups[i].class;
	}
	return NAME_UNKNOWN;
}

/* class_of_lmtp - lmtp_x is what smtp_x is */
static enum name_class class_of_lmtp(struct str name, const char **advice, const char **harmless)
{
	char smtp[80];
	char *lhlo;

	if (name.n >= sizeof(smtp))
		return NAME_UNKNOWN;
	snprintf(smtp, sizeof(smtp), "s%.*s", (int)name.n - 1, name.p + 1);
	lhlo = strstr(smtp, "lhlo");
	if (lhlo && strstr(smtp, "keyword"))
		memcpy(lhlo, "ehlo", 4);
	else if (lhlo)
		memcpy(lhlo, "helo", 4);
	if (param_find(str_of(smtp)))
		return NAME_KNOWN;
	return class_in_groups(str_of(smtp), advice, harmless);
}

enum name_class name_class(struct str name, const char **advice, const char **harmless)
{
	enum name_class class;
	enum param_kind kind;
	const char *suffix;

	*advice = NULL;
	*harmless = "";
	if (param_find(name))
		return NAME_KNOWN;
	class = class_in_groups(name, advice, harmless);
	if (class == NAME_UNKNOWN && str_starts(name, STR("lmtp_")))
		class = class_of_lmtp(name, advice, harmless);
	if (class == NAME_UNKNOWN && name_is_transport_specific(name, &suffix, &kind))
		class = NAME_TRANSPORT;
	return class;
}

/* --- the nearest name --------------------------------------------------------------------------------------------- */

enum { NAME_MAX_LEN = 63 };

/* edits: insert, delete, replace, swap of neighbours */
unsigned conf_distance(struct str a, struct str b, unsigned bound)
{
	unsigned rows[3][NAME_MAX_LEN + 1];

	if (a.n > NAME_MAX_LEN || b.n > NAME_MAX_LEN || (a.n > b.n ? a.n - b.n : b.n - a.n) > bound)
		return bound + 1;
	for (size_t j = 0; j <= b.n; j++)
		rows[0][j] = (unsigned)j;
	for (size_t i = 1; i <= a.n; i++) {
		unsigned *now = rows[i % 3], *last = rows[(i - 1) % 3], *older = rows[(i + 1) % 3], best = (unsigned)i;

		now[0] = (unsigned)i;
		for (size_t j = 1; j <= b.n; j++) {
			unsigned d = last[j - 1] + (ascii_lower(a.p[i - 1]) != ascii_lower(b.p[j - 1]));

			d = last[j] + 1 < d ? last[j] + 1 : d;
			d = now[j - 1] + 1 < d ? now[j - 1] + 1 : d;
			if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1] && older[j - 2] + 1 < d)
				d = older[j - 2] + 1;
			now[j] = d;
			best = d < best ? d : best;
		}
		if (best > bound)
			return bound + 1;
	}
	return rows[a.n % 3][b.n];
}

enum {
	NAME_WORDS = 12,
	NAME_SLIPS = 3,        /* edits in a name as a whole, where words are written as one or apart */
	COST_ORDER = 1, COST_PART = 2, COST_MISSING = 2, COST_OTHER = 100,
};

/* word_distance - a slip for three letters at most; what is a part of the other is a short form of it */
static unsigned word_distance(struct str a, struct str b)
{
	size_t shorter = a.n < b.n ? a.n : b.n;
	unsigned slips = (unsigned)(shorter / 3 < COST_PART ? shorter / 3 : COST_PART), d = conf_distance(a, b, slips);

	if (d <= slips)
		return d;
	return shorter >= 4 && (str_istarts(a, b) || str_istarts(b, a)) ? COST_PART : COST_OTHER;
}

/* words_distance - the same words in another order, with slips, or not all of them; a word that is none of them makes another name */
static unsigned words_distance(struct str name, struct str candidate)
{
	struct str v[NAME_WORDS], word;
	bool used[NAME_WORDS] = { false }, in_order = true;
	size_t n = 0, last = 0;
	unsigned sum = 0;

	while (n < NAME_WORDS && str_cut(&candidate, '_', &v[n]))
		n++;
	while (str_cut(&name, '_', &word)) {
		unsigned best = COST_OTHER;
		size_t at = n;

		for (size_t i = 0; i < n; i++) {
			unsigned d = used[i] ? COST_OTHER : word_distance(word, v[i]);

			if (d >= best)
				continue;
			best = d;
			at = i;
		}
		if (at == n)
			return COST_OTHER;
		sum += best;
		used[at] = true;
		in_order = in_order && at >= last;
		last = at;
	}
	for (size_t i = 0; i < n; i++)
		sum += used[i] ? 0 : COST_MISSING;
	return sum + (in_order ? 0 : COST_ORDER);
}

struct nearest {
	struct str name, best;
	unsigned distance;
};

static void consider(struct nearest *n, struct str candidate)
{
	unsigned d = conf_distance(n->name, candidate, NAME_SLIPS), words = words_distance(n->name, candidate);

	if (d > NAME_SLIPS || words < d)
		d = words;
	if (d >= n->distance)
		return;
	n->distance = d;
	n->best = candidate;
}

const char *name_nearest(struct str name, char *out, size_t size)
{
	struct nearest n = { .name = name, .distance = 3 + (unsigned)(name.n / 6) };

	for (size_t i = 0; i < n_params; i++)
		consider(&n, str_of(params[i].name));
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		struct str rest = str_of(groups[i].names), word;

		while (str_cut(&rest, ' ', &word))
			consider(&n, word);
	}
	if (!n.best.n)
		return NULL;
	snprintf(out, size, "%.*s", STR_ARG(n.best));
	return out;
}
