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

/* at - for each letter, whatever its case, where the word has it: a bit for each place. Parameters have letters, digits and _; any other is
 * like none, and has the last row, which stays empty */
enum { LETTERS = 26 + 10 + 1 };
struct word { struct str s; uint64_t at[LETTERS + 1]; };

static unsigned letter(char c)
{
	c = ascii_lower(c);
	if (c >= 'a' && c <= 'z')
		return (unsigned)(c - 'a');
	if (ascii_is_digit(c))
		return 26 + (unsigned)(c - '0');
	return c == '_' ? 36 : LETTERS;
}

static void word_set(struct word *w, struct str s)
{
	*w = (struct word){ .s = s };
	for (size_t i = 0; i < s.n && i < NAME_MAX_LEN; i++)
		w->at[letter(s.p[i])] |= (uint64_t)1 << i;
	w->at[LETTERS] = 0;
}

/* distance - edits: insert, delete, replace, swap of neighbours. The column of the usual table, as bits of what differs from row to row (Hyyrö,
 * 2003): `more` where a row has one more than the row above, `less` where it has one less; d is the last row's. A name has room in a word */
static unsigned distance(const struct word *w, struct str s, unsigned bound)
{
	uint64_t more = ~(uint64_t)0, less = 0, same = 0, before = 0, across, up, last;
	size_t d = w->s.n;

	if (d > NAME_MAX_LEN || s.n > NAME_MAX_LEN || (d > s.n ? d - s.n : s.n - d) > bound)
		return bound + 1;
	if (!d)
		return (unsigned)s.n;
	last = (uint64_t)1 << (d - 1);
	for (size_t j = 0; j < s.n; j++) {
		uint64_t here = w->at[letter(s.p[j])], swapped = ((~same & here) << 1) & before;

		same = (((here & more) + more) ^ more) | here | less | swapped;
		up = less | ~(same | more);
		across = more & same;
		d += (up & last) != 0;
		d -= (across & last) != 0;
		/* the letters that are left can take no more than one each from it */
		if (d > bound + (s.n - j - 1))
			return bound + 1;
		up = up << 1 | 1;
		more = across << 1 | ~(same | up);
		less = up & same;
		before = here;
	}
	return d > bound ? bound + 1 : (unsigned)d;
}

unsigned conf_distance(struct str a, struct str b, unsigned bound)
{
	struct word w;

	word_set(&w, a);
	return distance(&w, b, bound);
}

enum {
	NAME_WORDS = 12,
	NAME_SLIPS = 3,        /* edits in a name as a whole, where words are written as one or apart */
	COST_ORDER = 1, COST_PART = 2, COST_MISSING = 2, COST_OTHER = 100,
};

struct nearest {
	struct word name, words[NAME_WORDS];
	size_t n;              /* words; NAME_WORDS: or more */
	struct str best;
	unsigned distance;
};

/* word_distance - a slip for three letters at most; what is a part of the other is a short form of it */
static unsigned word_distance(const struct word *w, struct str b)
{
	size_t shorter = w->s.n < b.n ? w->s.n : b.n;
	unsigned slips = (unsigned)(shorter / 3 < COST_PART ? shorter / 3 : COST_PART), d = distance(w, b, slips);

	if (d <= slips)
		return d;
	return shorter >= 4 && (str_istarts(w->s, b) || str_istarts(b, w->s)) ? COST_PART : COST_OTHER;
}

/* words_distance - the same words in another order, with slips, or not all of them; a word that is none of them makes another name, and so do
 * too few words, or so many that nothing nearer could come of it */
static unsigned words_distance(const struct nearest *name, struct str candidate)
{
	struct str v[NAME_WORDS];
	bool used[NAME_WORDS] = { false }, in_order = true;
	size_t n = 0, last = 0;
	unsigned sum = 0;

	while (n < NAME_WORDS && str_cut(&candidate, '_', &v[n]))
		n++;
	if (n < name->n || (n - name->n) * COST_MISSING >= name->distance)
		return COST_OTHER;
	for (size_t k = 0; k < name->n; k++) {
		unsigned best = COST_OTHER;
		size_t at = n;

		for (size_t i = 0; i < n; i++) {
			unsigned d = used[i] ? COST_OTHER : word_distance(&name->words[k], v[i]);

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
	return sum + (unsigned)(n - name->n) * COST_MISSING + (in_order ? 0 : COST_ORDER);
}

static void consider(struct nearest *n, struct str candidate)
{
	unsigned d = distance(&n->name, candidate, NAME_SLIPS), words = words_distance(n, candidate);

	if (d > NAME_SLIPS || words < d)
		d = words;
	if (d >= n->distance)
		return;
	n->distance = d;
	n->best = candidate;
}

const char *name_nearest(struct str name, char *out, size_t size)
{
	struct nearest n = { .distance = 3 + (unsigned)(name.n / 6) };
	struct str words = name, one;

	word_set(&n.name, name);
	while (n.n < NAME_WORDS && str_cut(&words, '_', &one))
		word_set(&n.words[n.n++], one);
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
