/* status_page - see status_page.h. */
#include "core/view/status_page.h"

#include <inttypes.h>
#include <time.h>

#include "core/view/history.h"
#include "core/view/stats_view.h"

enum { PLOT_WIDTH = 6 /* of a minute */, PLOT_HEIGHT = 60 };

/* names of classes and variables are short: they are sent each time */
static const char style[] =
	":root{color-scheme:light dark;--b:#f5f6f8;--c:#fff;--t:#1c2430;--m:#667085;--l:#e3e7ee;--g:#16a34a;--y:#d97706;--r:#dc2626;--a:#2563eb}"
	"@media(prefers-color-scheme:dark){:root{--b:#0f141b;--c:#18202b;--t:#e6eaf0;--m:#93a0b4;--l:#2a3544;--g:#4ade80;--y:#fbbf24;--r:#f87171;--a:#60a5fa}}"
	"*{box-sizing:border-box}body{margin:0 auto;max-width:76rem;padding:1.2rem;background:var(--b);color:var(--t);"
	"font:15px/1.5 system-ui,sans-serif}h1{font-size:1.5rem;margin:0}h2{font-size:1rem;margin:0 0 .6rem}"
	"header{display:flex;flex-wrap:wrap;gap:.3rem 1rem;align-items:center;margin-bottom:1rem}small,th,.m{color:var(--m);font-weight:400}"
	".s{padding:.1rem .8rem;border-radius:1rem;color:#fff;background:#15803d;font-weight:600}.s.r{background:#b91c1c}"
	".g{display:grid;gap:1rem;grid-template-columns:repeat(auto-fit,minmax(7rem,1fr));margin-bottom:1rem}"
	".w{grid-template-columns:repeat(auto-fit,minmax(15rem,1fr))}"
	"section,.k{background:var(--c);border:1px solid var(--l);border-radius:.7rem;padding:.8rem}section{margin-bottom:1rem;overflow-x:auto}"
	".k b{display:block;font-size:1.3rem;line-height:1.3;white-space:nowrap;font-variant-numeric:tabular-nums}"
	"svg{display:block;width:100%;height:64px;margin-top:.4rem}path{fill:var(--a)}.g1 path{fill:var(--g)}.g2 path{fill:var(--y)}.g3 path{fill:var(--r)}"
	"table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.25rem .8rem .25rem 0;border-top:1px solid var(--l);vertical-align:top}"
	"th{border:0}.n{text-align:right;font-variant-numeric:tabular-nums}td:last-child,td:first-child,.o{overflow-wrap:anywhere}.e .o{min-width:9rem}.e td:last-child{width:40%}code,time,i{white-space:nowrap;font-style:normal}"
	".ok{color:var(--g)}.no{color:var(--r)}.la{color:var(--y)}"
	"@media(max-width:40rem){body{padding:.7rem}.e .o,.e th{display:none}.e td{display:inline-block;border:0;padding-bottom:0}.e td:last-child{display:block;width:auto;padding-bottom:.5rem;border-bottom:1px solid var(--l)}}";
static const char script[] =
	"setInterval(async()=>{try{let t=await(await fetch(location)).text(),d=new DOMParser().parseFromString(t,'text/html'),"
	"o=document.querySelector('details').open;document.querySelector('main').replaceWith(d.querySelector('main'));"
	"document.querySelector('details').open=o}catch(e){document.querySelector('.s').textContent='no answer'}},5000)";

/* --- text of strangers -------------------------------------------------------------------------------------------------- */

static void put_char(struct buf *out, char c)
{
	if (c == '&')
		buf_z(out, "&amp;");
	else if (c == '<')
		buf_z(out, "&lt;");
	else if (c == '>')
		buf_z(out, "&gt;");
	else if (c == '"')
		buf_z(out, "&quot;");
	else
		buf_byte(out, c);
}

static bool ends_address(char c)
{
	return c == ' ' || c == '<' || c == '>' || c == ',' || c == '(' || c == ':' || c == '=' || c == '"';
}

/* put - quoted; where addresses are masked, of what stands before the last @ of a word only the first letter */
static void put(struct buf *out, struct str s, bool masked)
{
	for (size_t at = 0, end; at < s.n; at = end) {
		struct str word;
		ptrdiff_t hidden;

		for (end = at; end < s.n && !ends_address(s.p[end]);)
			end++;
		word = str_head(str_from(s, at), end - at);
		hidden = masked ? str_rchr(word, '@') : -1;
		for (size_t i = 0; i < word.n; i++) {
			if (hidden >= 0 && i == (hidden > 0))
				buf_z(out, "***");
			if (hidden <= 0 || i == 0 || i >= (size_t)hidden)
				put_char(out, word.p[i]);
		}
		if (end < s.n)
			put_char(out, s.p[end++]);
	}
}

static void put_duration(struct buf *out, uint64_t seconds)
{
	static const struct { unsigned long long size; const char *unit; } units[] = { { 86400, "d" }, { 3600, "h" }, { 60, "min" }, { 1, "s" } };
	size_t i = 0;

	while (i < 3 && seconds < units[i].size)
		i++;
	buf_printf(out, "%llu %s", seconds / units[i].size, units[i].unit);
	if (i < 3 && seconds % units[i].size / units[i + 1].size)
		buf_printf(out, " %llu %s", seconds % units[i].size / units[i + 1].size, units[i + 1].unit);
}

static void put_bytes(struct buf *out, uint64_t n)
{
	static const char units[] = "kMGT";
	size_t i = 0;

	n /= 100;
	for (; n >= 10000 && i < sizeof(units) - 2; i++)
		n /= 1000;
	buf_printf(out, "%" PRIu64 ".%u %cB", n / 10, (unsigned)(n % 10), units[i]);
}

static void put_time(struct buf *out, struct str cell)
{
	time_t at = (time_t)(stats_number(cell) / (uint64_t)USEC_PER_SEC);
	struct tm tm;
	char text[32];

	localtime_r(&at, &tm);
	strftime(text, sizeof(text), "%b %e %H:%M:%S", &tm);
	buf_printf(out, "<td><time>%s</time>", text);
}

/* --- parts -------------------------------------------------------------------------------------------------------------- */

static uint64_t figure(struct str rows, struct str key)
{
	struct str cells[STATS_CELLS];

	while (stats_next_row(&rows, "figure", cells))
		if (str_eq(cells[0], key))
			return stats_number(cells[2]);
	return 0;
}

static void card(struct buf *out, const char *label, uint64_t n)
{
	buf_printf(out, "<div class=k><b>%" PRIu64 "</b><small>%s</small></div>", n, label);
}

static void cards(const struct status_page *p, struct str rows, struct buf *out)
{
	static const struct { const char *label; struct str key; } shown[] = {
		{ "messages queued", STR("queued_messages") }, { "messages accepted", STR("messages_total") }, { "recipients delivered", STR("sent_total") },
		{ "tries deferred", STR("deferred_total") }, { "recipients bounced", STR("bounced_total") }, { "commands refused", STR("rejects_total") },
		{ "SMTP sessions", STR("sessions") }, { "deliveries under way", STR("deliveries_in_flight") },
	};

	buf_z(out, "<div class=g>");
	for (size_t i = 0; i < sizeof(shown) / sizeof(*shown); i++)
		card(out, shown[i].label, figure(rows, shown[i].key));
	buf_z(out, "<div class=k><b>");
	put_bytes(out, p->room);
	buf_z(out, "</b><small>room on disk</small></div></div><p class=m>Queue: ");
	buf_printf(out, "%" PRIu64 " active, %" PRIu64 " deferred, %" PRIu64 " on hold; the oldest message is ", p->active, p->deferred, p->held);
	put_duration(out, (uint64_t)(p->oldest / USEC_PER_SEC));
	buf_z(out, " old.</p>");
}

/* plot - a column of the minutes as bars, the newest at the right */
static void plot(struct str rows, size_t column, const char *name, struct buf *out)
{
	struct str all = rows, cells[STATS_CELLS];
	uint64_t most = 0, now = 0;
	int x = 0;

	for (; stats_next_row(&rows, "minute", cells); x++) {
		now = stats_number(cells[column]);
		most = now > most ? now : most;
	}
	buf_printf(out, "<div class=\"k g%zu\"><b>%" PRIu64 "</b><small>%s this minute, %" PRIu64 " at most</small>"
		"<svg viewBox=\"0 0 %d %d\" preserveAspectRatio=none role=img aria-label=\"%s a minute, last hour\"><path d=\"",
		column, now, name, most, PLOT_WIDTH * HISTORY_MINUTES, PLOT_HEIGHT, name);
	for (x = HISTORY_MINUTES - x; stats_next_row(&all, "minute", cells); x++) {
		uint64_t n = stats_number(cells[column]);
		unsigned height = n ? (unsigned)(n * (PLOT_HEIGHT - 2) / most) + 2 : 1;

		buf_printf(out, "M%d %uv-%uh%dv%uz", x * PLOT_WIDTH, PLOT_HEIGHT, height, PLOT_WIDTH - 1, height);
	}
	buf_z(out, "\"/></svg></div>");
}

static void plots(struct str rows, struct buf *out)
{
	static const char *const names[HISTORY_COLUMNS] = { "accepted", "delivered", "deferred", "bounced" };

	buf_z(out, "<div class=\"g w\">");
	for (size_t i = 0; i < HISTORY_COLUMNS; i++)
		plot(rows, i, names[i], out);
	buf_z(out, "</div>");
}

static void destinations(const struct status_page *p, struct str rows, struct buf *out)
{
	struct str cells[STATS_CELLS];
	size_t n = 0;

	buf_z(out, "<section><h2>Destinations</h2>");
	for (; stats_next_row(&rows, "destination", cells); n++) {
		bool dead = str_eq(cells[5], STR("1"));

		buf_z(out, n ? "<tr><td>" : "<table><tr><th>next hop<th class=n>waiting<th class=n>sending<th class=n>limit<th>state<tr><td>");
		put(out, cells[0], false);
		buf_byte(out, ':');
		put(out, cells[1], false);
		for (size_t i = 2; i < 5; i++)
			buf_printf(out, "<td class=n>%" PRIu64, stats_number(cells[i]));
		buf_z(out, dead ? "<td class=no>" : "<td class=ok>ok");
		if (dead)
			put(out, cells[6].n ? cells[6] : STR("suspended"), p->masked);
	}
	buf_z(out, n ? "</table>" : "<p class=m>No mail waits for a destination.</p>");
	if (p->others)
		buf_printf(out, "<p class=m>… and %" PRIu64 " more.</p>", p->others);
	buf_z(out, "</section>");
}

static void events(const struct status_page *p, struct str rows, const char *kind, struct buf *out)
{
	static const struct { const char *kind, *heading, *relay, *none, *classes[2], *words[2]; } kinds[] = {
		{ "sent", "Last deliveries", "server", "None yet.", { "ok", "ok" }, { "delivered", "delivered" } },
		{ "error", "Last deferrals and bounces", "server", "None.", { "la", "no" }, { "deferred", "bounced" } },
		{ "refused", "Last refusals", "client", "None.", { "la", "no" }, { "for now", "refused" } },
	};
	struct str cells[STATS_CELLS];
	size_t k = 0, n = 0;

	while (strcmp(kinds[k].kind, kind) != 0)
		k++;
	buf_printf(out, "<section><h2>%s</h2>", kinds[k].heading);
	for (; stats_next_row(&rows, kind, cells); n++) {
		bool final = str_eq(cells[2], STR("1"));

		if (!n)
			buf_printf(out, "<table class=e><tr><th>when<th>queue id<th><th>recipient<th class=o>%s<th>why", kinds[k].relay);
		buf_z(out, "<tr>");
		put_time(out, cells[0]);
		buf_z(out, "<td><code>");
		put(out, cells[1], false);
		buf_printf(out, "</code><td class=%s><i>%s</i><td>", kinds[k].classes[final], kinds[k].words[final]);
		put(out, cells[3], p->masked);
		buf_z(out, "<td class=o>");
		put(out, cells[4], p->masked);
		buf_z(out, "<td>");
		put(out, cells[5], p->masked);
	}
	if (n)
		buf_z(out, "</table></section>");
	else
		buf_printf(out, "<p class=m>%s</p></section>", kinds[k].none);
}

static void figures(struct str rows, struct buf *out)
{
	struct str cells[STATS_CELLS];

	buf_z(out, "<section><details><summary>All figures</summary><table>");
	while (stats_next_row(&rows, "figure", cells)) {
		buf_z(out, "<tr><td>");
		put(out, cells[1], false);
		buf_z(out, "<td class=n id=");
		put(out, cells[0], false);
		buf_printf(out, ">%" PRIu64, stats_number(cells[2]));
	}
	buf_z(out, "</table></details></section>");
}

void status_page_write(const struct status_page *p, struct str rows, struct buf *out)
{
	buf_z(out, "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width,initial-scale=1\">"
		"<noscript><meta http-equiv=refresh content=10></noscript><title>");
	put(out, str_of(p->host), false);
	buf_printf(out, "</title><style nonce=%s>%s</style><main><header><h1>", p->nonce, style);
	put(out, str_of(p->host), false);
	buf_printf(out, "</h1><span class=\"s%s\">%s</span><small>relaybox %s, up ", p->why ? " r" : "", p->why ? p->why : "ready", p->version);
	put_duration(out, figure(rows, STR("uptime_seconds")));
	buf_z(out, "</small></header>");
	cards(p, rows, out);
	plots(rows, out);
	destinations(p, rows, out);
	events(p, rows, "error", out);
	events(p, rows, "sent", out);
	events(p, rows, "refused", out);
	figures(rows, out);
	buf_printf(out, "</main><script nonce=%s>%s</script></html>\n", p->nonce, script);
}
