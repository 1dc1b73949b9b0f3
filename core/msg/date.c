/* date - see date.h. Names of days and months are the RFC's, whatever the locale. */
#include "core/msg/date.h"
#include "core/base/format.h"

#include <stdlib.h>
#include <time.h>

static const char days[][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
static const char months[][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };

/* seconds, rounded down also before 1970 */
static time_t seconds_of(usec wall)
{
	return (time_t)(wall / USEC_PER_SEC - (wall % USEC_PER_SEC < 0));
}

static struct tm split(usec wall, int offset_minutes)
{
	time_t t = seconds_of(wall) + (time_t)offset_minutes * 60;
	struct tm tm = { .tm_mday = 1, .tm_year = 70 };

	gmtime_r(&t, &tm);
	return tm;
}

/* a message asks for the second of those before it, and the C library looks at TZ and its rules each time */
static _Thread_local struct { time_t of; int minutes; } last;

int date_offset(usec wall)
{
	time_t t = seconds_of(wall);
	struct tm tm = { .tm_gmtoff = 0 };

	if (t != last.of || !t) {
		last.minutes = localtime_r(&t, &tm) ? (int)(tm.tm_gmtoff / 60) : 0;
		last.of = t;
	}
	return last.minutes;
}

/* put - a text, and so many digits of v behind it: each message has a date, so no format is read for it */
static char *put(char *p, const char *text, unsigned v, int digits)
{
	while (*text)
		*p++ = *text++;
	for (int i = digits; i-- > 0; v /= 10)
		p[i] = (char)('0' + v % 10);
	return p + digits;
}

void date_rfc5322(char out[40], usec wall, int offset_minutes)
{
	struct tm tm = split(wall, offset_minutes);
	unsigned off = (unsigned)abs(offset_minutes) % 6000;

	char *p = put(out, days[tm.tm_wday % 7], 0, 0);

	p = put(p, ", ", (unsigned)tm.tm_mday, tm.tm_mday < 10 ? 1 : 2);
	p = put(p, " ", 0, 0);
	p = put(p, months[tm.tm_mon % 12], 0, 0);
	p = put(p, " ", 1900 + (unsigned)tm.tm_year, 4);
	p = put(p, " ", (unsigned)tm.tm_hour, 2);
	p = put(p, ":", (unsigned)tm.tm_min, 2);
	p = put(p, ":", (unsigned)tm.tm_sec, 2);
	p = put(p, offset_minutes < 0 ? " -" : " +", off / 60, 2);
	*put(p, "", off % 60, 2) = 0;
}

void date_mbox(char out[32], usec wall, int offset_minutes)
{
	struct tm tm = split(wall, offset_minutes);

	format_text(out, 32, "%s %s %2d %02d:%02d:%02d %d", days[tm.tm_wday % 7], months[tm.tm_mon % 12], tm.tm_mday, tm.tm_hour,
		tm.tm_min, tm.tm_sec, 1900 + tm.tm_year);
}

void date_rfc3339(char out[40], usec wall, int offset_minutes)
{
	struct tm tm = split(wall, offset_minutes);
	unsigned off = (unsigned)abs(offset_minutes) % 6000;
	size_t n = strftime(out, 34, "%Y-%m-%dT%H:%M:%S", &tm);

	format_text(out + n, 40 - n, "%c%02u:%02u", offset_minutes < 0 ? '-' : '+', off / 60, off % 60);
}

bool date_http(struct str s, usec *out)
{
	static const unsigned char places[] = { 5, 12, 14, 17, 20, 23 };
	int v[sizeof(places)], month = 0;
	struct tm t;

	if (s.n != 29 || !str_ends(s, STR(" GMT")))
		return false;
	for (size_t i = 0; i < sizeof(places); i++) {
		const char *p = s.p + places[i];

		if (!ascii_is_digit(p[0]) || !ascii_is_digit(p[1]))
			return false;
		v[i] = (p[0] - '0') * 10 + p[1] - '0';
	}
	while (month < 12 && memcmp(months[month], s.p + 8, 3))
		month++;
	if (month == 12 || !v[0] || v[1] * 100 + v[2] < 1970)
		return false;
	t = (struct tm){ .tm_year = v[1] * 100 + v[2] - 1900, .tm_mon = month, .tm_mday = v[0], .tm_hour = v[3], .tm_min = v[4], .tm_sec = v[5] };
	*out = (usec)timegm(&t) * USEC_PER_SEC;
	return true;
}
