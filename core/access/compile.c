/* compile - restriction lists as people write them, to programs: words looked up, tables opened, classes bound. What is wrong
 * with a list is told in one finding: it stops the start, because a rule that is passed by can open a relay. */
#include "core/access/access_private.h"
#include "core/base/mem.h"
#include "core/route/keys.h"

#define SEPARATORS ", \t\r\n"

struct compiler {
	struct access_rules *rules;
	struct arena *arena;
	enum access_stage stage;           /* ACCESS_STAGES: in a class, or in a table's answer */
	bool late;                         /* a table's answer: nothing may be opened any more */
	struct buf unknown;                /* words that nobody knows, one "…" after the other */
	struct buf undone;                 /* words that are not done */
	const char *advice;                /* … and what to do */
	const struct access_word *noted[8];/* words whose note was told */
	struct conf_diag *diag;            /* for notes; NULL: late */
	struct buf why;                    /* what else is wrong */
};

/* --- arguments -------------------------------------------------------------------------------------------------------- */

static struct map *find_map(const struct access_rules *rules, struct str spec)
{
	for (size_t i = 0; i < rules->n_maps; i++)
		if (str_eq(str_of(map_spec(rules->maps[i])), spec))
			return rules->maps[i];
	return NULL;
}

static struct map *open_map(struct compiler *k, struct str spec)
{
	struct map *m = find_map(k->rules, spec);
	struct buf why;

	if (m || k->late)
		return m;
	buf_init(&why, 500);
	m = map_open(arena_z(k->arena, spec), &why);
	if (m) {
		k->rules->maps = mem_array(k->rules->maps, k->rules->n_maps + 1, sizeof(k->rules->maps[0]));
		k->rules->maps[k->rules->n_maps++] = m;
	} else {
		buf_printf(&k->why, "%s%s", k->why.n ? "; " : "", buf_cstr(&why));
	}
	buf_fini(&why);
	return m;
}

/* next_word - a word, or a table in braces with blanks in it: inline:{ a = b } */
static bool next_word(struct str *rest, struct str *word)
{
	struct str s = *rest;
	size_t n = 0;
	int braces = 0;

	while (s.n && ascii_is_one_of(*s.p, SEPARATORS))
		s = str_from(s, 1);
	for (; n < s.n && (braces > 0 || !ascii_is_one_of(s.p[n], SEPARATORS)); n++)
		braces += s.p[n] == '{' ? 1 : s.p[n] == '}' ? -1 : 0;
	*word = str_head(s, n);
	*rest = str_from(s, n);
	return n > 0;
}

static bool looks_like_argument(struct str word)
{
	return str_chr(word, ':') > 0 || str_chr(word, '/') >= 0;
}

static bool check_seconds(struct compiler *k, const struct access_row *row)
{
	uint64_t seconds;

	if (str_to_u64(row->text, &seconds) && seconds >= 1 && seconds <= LIMIT_ACCESS_SLEEP)
		return true;
	buf_printf(&k->why, "%s%s %.*s: use a number of seconds, 1 to %d", k->why.n ? "; " : "", row->word->name,
		STR_ARG(str_head(row->text, 40)), LIMIT_ACCESS_SLEEP);
	return false;
}

/* take_argument - the row's argument off *rest; false: told */
static bool take_argument(struct compiler *k, struct access_row *row, struct str *rest)
{
	struct str word;
	ptrdiff_t equals;

	if (row->word->argument == ACCESS_NO_ARGUMENT)
		return true;
	if (!next_word(rest, &word)) {
		buf_printf(&k->why, "%s%s needs an argument", k->why.n ? "; " : "", row->word->name);
		return false;
	}
	row->text = arena_str(k->arena, word);
	if (!row->word->judge)
		return true;
	if (row->word->argument == ACCESS_TABLE) {
		row->map = open_map(k, word);
		return row->map;
	}
	if (row->word->argument == ACCESS_SECONDS)
		return check_seconds(k, row);
	equals = str_chr(row->text, '=');
	if (row->word->argument == ACCESS_ZONE && equals >= 0) {
		row->filter = str_from(row->text, (size_t)equals + 1);
		row->text = str_head(row->text, (size_t)equals);
	}
	return true;
}

/* --- lists ------------------------------------------------------------------------------------------------------------ */

static const struct access_list *find_class(const struct access_rules *rules, struct str name)
{
	for (size_t i = 0; i < rules->n_classes; i++)
		if (str_eq(rules->classes[i].name, name))
			return &rules->classes[i].list;
	return NULL;
}

/* not_done - remember a word that stops the start, with its argument, each once; known: it is one of Postfix's */
static void not_done(struct compiler *k, struct str word, struct str argument, const struct access_word *known)
{
	struct buf *all = known ? &k->undone : &k->unknown, one;
	const char *nearest = known ? NULL : access_word_nearest(word);

	buf_init(&one, 300);
	buf_printf(&one, "\"%.*s%s%.*s\"", STR_ARG(str_head(word, 60)), argument.n ? " " : "", STR_ARG(str_head(argument, 100)));
	if (nearest)
		buf_printf(&one, " (did you mean %s?)", nearest);
	if (str_find(buf_view(all), buf_view(&one)) < 0)
		buf_printf(all, "%s%s", all->n ? ", " : "", buf_cstr(&one));
	if (known)
		k->advice = known->note;
	buf_fini(&one);
}

/* tell_note - once for each word, wherever it stands */
static void tell_note(struct compiler *k, const struct access_word *word)
{
	size_t i = 0;

	while (i < sizeof(k->noted) / sizeof(k->noted[0]) && k->noted[i] && k->noted[i] != word)
		i++;
	if (!k->diag || i == sizeof(k->noted) / sizeof(k->noted[0]) || k->noted[i])
		return;
	k->noted[i] = word;
	conf_diag_add(k->diag, CONF_WARNING, NULL, 0, "%s: %s", word->name, word->note);
}

static bool asks_for_certificates(const struct conf *c)
{
	return c->smtpd_tls_ask_ccert || c->smtpd_tls_req_ccert;
}

static bool compile(struct compiler *k, struct str text, struct access_list *list);

/* old_lists - reject_maps_rbl: a list of its own, with each of maps_rbl_domains */
static void old_lists(struct compiler *k, struct access_row *row)
{
	struct str rest = str_of(k->rules->conf->maps_rbl_domains), word;
	struct access_list *list = ARENA_NEW(k->arena, struct access_list);
	struct buf text;

	buf_init(&text, LIMIT_CONF_VALUE);
	while (next_word(&rest, &word))
		buf_printf(&text, "reject_rbl_client %.*s ", STR_ARG(word));
	row->word = &access_word_class;
	row->list = list;
	if (list)
		compile(k, arena_str(k->arena, buf_view(&text)), list);
	buf_fini(&text);
}

static void take_word(struct compiler *k, struct str word, struct str *rest, struct access_row *row)
{
	struct str argument = STR_EMPTY, after = *rest, next;

	row->word = access_word_find(word);
	if (!row->word && str_chr(word, ':') > 0 && k->stage < ACCESS_STAGES) {
		row->word = access_word_of_table(k->stage);
		row->map = row->word ? open_map(k, word) : NULL;
		if (row->map || row->word)
			return;
	}
	if (!row->word) {
		row->list = find_class(k->rules, word);
		row->word = row->list ? &access_word_class : NULL;
	} else if (!take_argument(k, row, rest)) {
		return;
	} else {
		argument = row->text;
	}
	if (row->word && row->word->note && row->word->judge && !(row->word->flags & ACCESS_CERTS && asks_for_certificates(k->rules->conf)))
		tell_note(k, row->word);
	if (row->word && row->word->flags & ACCESS_OLD_LISTS)
		old_lists(k, row);
	if (row->word && row->word->judge)
		return;
	if (!row->word && next_word(&after, &next) && looks_like_argument(next)) {
		argument = next;
		*rest = after;
	}
	not_done(k, word, argument, row->word);
	row->word = NULL;
}

/* compile - text into list; true when every word of it is done */
static bool compile(struct compiler *k, struct str text, struct access_list *list)
{
	struct str rest = text, word;
	size_t most = 0;
	bool good = true;

	while (next_word(&rest, &word))
		most++;
	*list = (struct access_list){ ARENA_ARRAY(k->arena, struct access_row, most), 0 };
	if (!list->rows)
		return false;
	for (rest = text; next_word(&rest, &word);) {
		struct access_row row = { 0 };

		take_word(k, word, &rest, &row);
		/* what was wrong with an argument is told */
		if (!row.word || (row.word->argument == ACCESS_TABLE ? !row.map : row.word->argument != ACCESS_NO_ARGUMENT && !row.text.n)) {
			good = false;
			continue;
		}
		list->rows[list->n++] = row;
	}
	return good;
}

static void tell(struct compiler *k, const char *parameter, struct conf_diag *diag)
{
	if (k->unknown.n)
		conf_diag_add(diag, CONF_ERROR, NULL, 0, "%s: unknown: %s: take it out, or use a restriction that relaybox.conf(5) lists", parameter,
			buf_cstr(&k->unknown));
	if (k->undone.n)
		conf_diag_add(diag, CONF_ERROR, NULL, 0, "%s: not done: %s: %s", parameter, buf_cstr(&k->undone),
			k->advice ? k->advice : "take it out");
	if (k->why.n)
		conf_diag_add(diag, CONF_ERROR, NULL, 0, "%s: %s", parameter, buf_cstr(&k->why));
	buf_clear(&k->unknown);
	buf_clear(&k->undone);
	buf_clear(&k->why);
}

static void compile_classes(struct compiler *k, struct conf_diag *diag)
{
	struct access_rules *rules = k->rules;
	struct str rest = str_of(rules->conf->smtpd_restriction_classes), word;
	size_t n = 0;

	while (next_word(&rest, &word) && n < LIMIT_ACCESS_CLASSES)
		n++;
	rules->classes = ARENA_ARRAY(&rules->arena, struct access_class, n);
	rest = str_of(rules->conf->smtpd_restriction_classes);
	/* all names first: they may call each other */
	while (rules->n_classes < n && next_word(&rest, &word))
		rules->classes[rules->n_classes++].name = arena_str(&rules->arena, word);
	k->stage = ACCESS_STAGES;
	for (size_t i = 0; i < n; i++) {
		const char *text = conf_get(rules->conf, rules->classes[i].name.p);

		if (!text || !*text) {
			conf_diag_add(diag, CONF_ERROR, NULL, 0, "smtpd_restriction_classes: %s has no value: set it, or take its name out",
				rules->classes[i].name.p);
			continue;
		}
		compile(k, str_of(text), &rules->classes[i].list);
		tell(k, rules->classes[i].name.p, diag);
	}
}

static const struct access_list *compile_answer(const struct access_rules *rules, struct arena *a, struct str text)
{
	struct compiler k = { .rules = (struct access_rules *)(uintptr_t)rules, .arena = a, .stage = ACCESS_STAGES, .late = true };
	struct access_list *list = ARENA_NEW(a, struct access_list);
	bool good;

	buf_init(&k.unknown, 200);
	buf_init(&k.undone, 200);
	buf_init(&k.why, 200);
	good = list && compile(&k, text, list);
	buf_fini(&k.unknown);
	buf_fini(&k.undone);
	buf_fini(&k.why);
	return good ? list : NULL;
}

static void open_tables(struct maps *out, const char *parameter, const char *list, struct conf_diag *diag)
{
	struct buf why;

	buf_init(&why, 2000);
	if (maps_open(out, list, &why) < 0)
		conf_diag_add(diag, CONF_ERROR, NULL, 0, "%s: %s", parameter, buf_cstr(&why));
	buf_fini(&why);
}

static void open_parameters(struct access_rules *rules, struct conf_diag *diag)
{
	const struct conf *c = rules->conf;
	struct buf why;

	rules->logins.parameter = "smtpd_sender_login_maps";
	open_tables(&rules->logins.maps, rules->logins.parameter, c->smtpd_sender_login_maps, diag);
	open_tables(&rules->rbl_replies, "rbl_reply_maps", c->rbl_reply_maps, diag);
	open_tables(&rules->clientcerts, "relay_clientcerts", c->relay_clientcerts, diag);
	open_tables(&rules->footers, "smtpd_reject_footer_maps", c->smtpd_reject_footer_maps, diag);
	buf_init(&why, 500);
	if (*c->permit_mx_backup_networks && !(rules->backup_networks = match_open(MATCH_HOSTS, c->permit_mx_backup_networks, &why)))
		conf_diag_add(diag, CONF_ERROR, NULL, 0, "permit_mx_backup_networks: %s", buf_cstr(&why));
	buf_fini(&why);
}

struct access_rules *access_rules_new(const struct conf *c, struct conf_diag *diag)
{
	const char *texts[ACCESS_STAGES] = {
		c->smtpd_client_restrictions, c->smtpd_helo_restrictions, c->smtpd_sender_restrictions, c->smtpd_relay_restrictions,
		c->smtpd_recipient_restrictions, c->smtpd_data_restrictions, c->smtpd_end_of_data_restrictions, c->smtpd_etrn_restrictions,
	};
	struct access_rules *rules = MEM_NEW(struct access_rules);
	struct str rest = str_of(c->parent_domain_matches_subdomains), word;
	struct compiler k = { .rules = rules, .arena = &rules->arena, .diag = diag };

	rules->conf = c;
	rules->compile_answer = compile_answer;
	arena_init(&rules->arena, LIMIT_ACCESS_RULES);
	while (next_word(&rest, &word))
		rules->parents_match |= str_eq(word, STR("smtpd_access_maps"));
	buf_init(&k.unknown, 2000);
	buf_init(&k.undone, 2000);
	buf_init(&k.why, 2000);
	open_parameters(rules, diag);
	compile_classes(&k, diag);
	for (size_t i = 0; i < ACCESS_STAGES; i++) {
		k.stage = (enum access_stage)i;
		compile(&k, str_of(texts[i]), &rules->lists[i]);
		tell(&k, access_stages[i].parameter, diag);
	}
	if (rules->arena.overflow)
		conf_diag_add(diag, CONF_ERROR, NULL, 0, "smtpd_recipient_restrictions: the restriction lists are too long together");
	buf_fini(&k.unknown);
	buf_fini(&k.undone);
	buf_fini(&k.why);
	for (size_t i = 0; i < rules->n_maps; i++)
		keys_advise(rules->maps[i], NULL, KEYS_ACCESS, rules->conf, diag);
	return rules;
}

void access_rules_refresh(struct access_rules *rules, usec now_mono)
{
	for (size_t i = 0; i < rules->n_maps; i++)
		map_refresh(rules->maps[i], now_mono);
	maps_refresh(&rules->logins.maps, now_mono);
	maps_refresh(&rules->rbl_replies, now_mono);
	maps_refresh(&rules->footers, now_mono);
	maps_refresh(&rules->clientcerts, now_mono);
	if (rules->backup_networks)
		match_refresh(rules->backup_networks, now_mono);
}

void access_rules_free(struct access_rules *rules)
{
	if (!rules)
		return;
	for (size_t i = 0; i < rules->n_maps; i++)
		map_close(rules->maps[i]);
	mem_free(rules->maps);
	maps_close(&rules->logins.maps);
	maps_close(&rules->rbl_replies);
	maps_close(&rules->footers);
	maps_close(&rules->clientcerts);
	match_close(rules->backup_networks);
	arena_fini(&rules->arena);
	mem_free(rules);
}

/* --- is it open? ------------------------------------------------------------------------------------------------------ */

/* closes - does the list come to a word that refuses strangers? *ends: it comes to "permit" first. *left: words that may be looked at */
static bool closes(const struct access_list *list, unsigned depth, bool *ends, unsigned *left)
{
	for (size_t i = 0; i < list->n && !*ends && *left; i++) {
		const struct access_row *row = &list->rows[i];
		bool warn = row->word->flags & ACCESS_WARNS;

		--*left;
		/* after warn_if_reject nothing is refused */
		i += warn && i + 1 < list->n;
		row = &list->rows[i];
		if ((row->word->flags & ACCESS_CLOSES) && !warn)
			return true;
		*ends = (row->word->flags & (ACCESS_ENDS | ACCESS_CLOSES)) == ACCESS_ENDS;
		if (row->list && !warn && depth < LIMIT_ACCESS_DEPTH && closes(row->list, depth + 1, ends, left))
			return true;
	}
	return false;
}

bool access_rules_close(const struct access_rules *rules)
{
	bool relay_ends = false, recipient_ends = false;
	unsigned left = LIMIT_ACCESS_STEPS;

	return closes(&rules->lists[ACCESS_RELAY], 0, &relay_ends, &left) || closes(&rules->lists[ACCESS_RECIPIENT], 0, &recipient_ends, &left);
}

/* --- does it know who exists? ----------------------------------------------------------------------------------------- */

static bool knows(const struct access_list *list, unsigned depth, unsigned *left)
{
	for (size_t i = 0; i < list->n && *left; i++) {
		const struct access_row *row = &list->rows[i];

		--*left;
		/* after warn_if_reject nothing is refused */
		if (row->word->flags & ACCESS_WARNS)
			i++;
		else if (row->word->flags & ACCESS_KNOWS || (row->list && depth < LIMIT_ACCESS_DEPTH && knows(row->list, depth + 1, left)))
			return true;
	}
	return false;
}

bool access_rules_know_recipients(const struct access_rules *rules)
{
	unsigned left = LIMIT_ACCESS_STEPS;

	for (size_t i = 0; i < ACCESS_STAGES; i++)
		if (knows(&rules->lists[i], 0, &left))
			return true;
	return false;
}
