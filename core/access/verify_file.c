/* verify_file - the cache of verify.c as a file: a line that says the version, then one line per piece of news, the last one
 * for an address counts:
 *	1764000000 TAB deliverable TAB user@example.com TAB 2.1.5 TAB what the server said
 * Appended to without a flush, since a lost line costs one probe; written anew when most of its lines are old. */
#include <errno.h>
#include <fcntl.h>

#include "core/access/verify_private.h"
#include "core/base/fs.h"
#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/base/mem.h"

#define VERSION_LINE "relaybox verify cache 1"
#define SPARE_LINES 1000       /* old lines that are put up with in a small cache */

static const struct { const char *word; int code; } words[] = { { "deliverable", 250 }, { "deferred", 450 }, { "undeliverable", 550 } };
#define N_WORDS (sizeof(words) / sizeof(*words))

static void give_up(struct verify *v, const char *why)
{
	log_warn("verify", "%s: %s: going on in memory", v->path, why);
	verify_file_close(v);
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

/* is_plain - may it stand in a line? An address with a control character in quotes is asked about again after a restart */
static bool is_plain(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < ' ')
			return false;
	return true;
}

static void add_line(struct buf *out, const struct verify_entry *e)
{
	if (!is_plain(e->address))
		return;
	for (size_t i = 0; i < N_WORDS; i++)
		if (words[i].code == e->code)
			buf_printf(out, "%lld\t%s\t%s\t%s\t", (long long)(e->updated / USEC_PER_SEC), words[i].word, e->address, e->enhanced);
	for (const char *p = e->text; *p; p++)
		buf_byte(out, (unsigned char)*p < ' ' ? ' ' : *p);
	buf_byte(out, '\n');
}

void verify_file_format(const struct verify *v, struct buf *out)
{
	LIST_EACH(&v->order, it, tmp) {
		const struct verify_entry *e = LIST_ITEM(it, struct verify_entry, link);

		if (e->updated)
			add_line(out, e);
	}
}

static void write_anew(struct verify *v)
{
	struct buf text;

	buf_init(&text, LIMIT_VERIFY_FILE);
	buf_z(&text, VERSION_LINE "\n");
	verify_file_format(v, &text);
	if (v->fd >= 0)
		fs_close(v->fd);
	v->fd = -1;
	if (fs_replace(v->path, 0600, buf_view(&text)) == 0)
		v->fd = fs_open(v->path, O_WRONLY | O_APPEND | O_NOFOLLOW, 0);
	if (v->fd < 0)
		give_up(v, strerror(errno));
	buf_fini(&text);
	v->lines = v->table.n;
}

void verify_file_add(struct verify *v, const struct verify_entry *e)
{
	struct buf line;

	if (v->fd < 0)
		return;
	if (++v->lines > 2 * v->table.n + SPARE_LINES) {
		write_anew(v);
		return;
	}
	buf_init(&line, 2 * LIMIT_ADDRESS);
	add_line(&line, e);
	if (fs_write_all(v->fd, line.p, line.n) < 0)
		give_up(v, strerror(errno));
	buf_fini(&line);
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

static bool is_enhanced(struct str s, int code)
{
	if (!s.n || s.n > 11 || s.p[0] != '0' + code / 100)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_is_digit(s.p[i]) && s.p[i] != '.')
			return false;
	return true;
}

static bool take_line(struct verify *v, struct str line, usec now)
{
	struct str stamp, word, address, enhanced;
	uint64_t seconds;
	int code = 0;
	struct verify_entry *e;

	if (!str_cut(&line, '\t', &stamp) || !str_cut(&line, '\t', &word) || !str_cut(&line, '\t', &address) ||
		!str_cut(&line, '\t', &enhanced))
		return false;
	for (size_t i = 0; i < N_WORDS; i++)
		if (str_eq(word, str_of(words[i].word)))
			code = words[i].code;
	/* news from the future come from a clock that was wrong */
	if (!str_to_u64(stamp, &seconds) || !seconds || seconds > (uint64_t)(now / USEC_PER_SEC) || !code || !address.n ||
		address.n > LIMIT_ADDRESS || memchr(address.p, 0, address.n) || !is_enhanced(enhanced, code))
		return false;
	e = verify_entry_get(v, address);
	if (e)
		verify_entry_set(e, code, enhanced, line, (usec)seconds * USEC_PER_SEC);
	return true;
}

size_t verify_file_take(struct verify *v, struct str text)
{
	usec now = loop_wall(v->o.loop);
	size_t bad = 0;
	struct str line;

	while (str_cut(&text, '\n', &line))
		bad += !take_line(v, line, now);
	return bad;
}

static void take_text(struct verify *v, struct str text)
{
	usec now = loop_wall(v->o.loop);
	size_t bad = verify_file_take(v, text), dropped = 0;

	LIST_EACH(&v->order, it, tmp) {
		struct verify_entry *e = LIST_ITEM(it, struct verify_entry, link);

		if (!verify_is_expired(e, now))
			continue;
		verify_entry_drop(e);
		dropped++;
	}
	if (bad)
		log_warn("verify", "%s: %zu lines that make no sense are left out", v->path, bad);
	log_info("verify", "cache %s full cleanup: retained=%zu dropped=%zu entries", v->o.conf->address_verify_map, v->table.n, dropped);
}

void verify_file_open(struct verify *v)
{
	struct str name = str_of(v->o.conf->address_verify_map), line;
	struct buf text;
	ptrdiff_t colon = str_chr(name, ':');
	struct str rest;
	int result;

	if (!name.n)
		return;
	v->path = str_dup(str_from(name, (size_t)(colon + 1)));
	buf_init(&text, LIMIT_VERIFY_FILE);
	result = fs_read_file(v->path, &text);
	rest = buf_view(&text);
	if (result != 0 && errno != ENOENT)
		give_up(v, strerror(errno));
	else if (rest.n && (!str_cut(&rest, '\n', &line) || !str_eq(line, STR(VERSION_LINE))))
		give_up(v, "not a cache of this version; move it away");
	else
		take_text(v, rest);
	if (v->path)
		write_anew(v);
	buf_fini(&text);
}

void verify_file_close(struct verify *v)
{
	if (v->fd >= 0)
		fs_close(v->fd);
	v->fd = -1;
	mem_free(v->path);
	v->path = NULL;
}
