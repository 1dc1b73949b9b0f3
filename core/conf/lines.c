/* lines - logical lines of main.cf and master.cf: a physical line that begins with white space continues the one before;
 * blank lines and lines whose first non-space is # are skipped, even inside a continued line (postconf(5)). */
#include "core/base/limits.h"
#include "core/conf/conf_private.h"

const struct str lines_mark = { "\xef\xbb\xbf", 3 };

void lines_init(struct lines *l, struct str text)
{
	*l = (struct lines){ .rest = text, .next = 1 };
	if (str_starts(l->rest, lines_mark))
		l->rest = str_from(l->rest, lines_mark.n);
	buf_init(&l->text, LIMIT_CONF_FILE);
}

void lines_fini(struct lines *l)
{
	buf_fini(&l->text);
}

bool lines_is_skipped(struct str physical)
{
	struct str s = str_trim(physical);

	return !s.n || s.p[0] == '#';
}

bool lines_next(struct lines *l, struct str *out)
{
	bool started = false;

	buf_clear(&l->text);
	l->stray = false;
	while (l->rest.n) {
		struct str before = l->rest, physical;

		str_cut(&l->rest, '\n', &physical);
		l->next++;
		if (lines_is_skipped(physical))
			continue;
		if (!ascii_is_space(physical.p[0])) {
			if (started) {
				l->rest = before;
				l->next--;
				break;
			}
			started = true;
			l->line = l->next - 1;
		} else if (!started) {
			l->stray = true;
			l->stray_line = l->next - 1;
			continue;
		}
		if (physical.p[physical.n - 1] == '\r')
			physical.n--;
		buf_str(&l->text, physical);
	}
	*out = str_trim(buf_view(&l->text));
	return started;
}
