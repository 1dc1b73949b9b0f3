/*
 * t.c - main() and the helpers of t.h. Kept free of core so that it can test core's lowest files. With RELAYBOX_FIRST set the
 * first case that fails is the last.
 */
#include "tests/unit/t.h"

#include <ftw.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

/* of work, and on the clock of a machine that has other work, too */
enum { CASE_SECONDS = 60, CASE_WAIT = 250 };

static struct t_case *first, **last = &first;
static struct t_case *running;
static char row[200];
static char why[1024];
static char tmpdir[] = "/tmp/relaybox-unit-XXXXXX";
static int failed, skipped, made_tmpdir;
/* of the sanitizer, where there is one and it looks for leaks: are there any now? What one case lost is there for all that follow */
static int leaked;
extern int __lsan_do_recoverable_leak_check(void) __attribute__((weak));
/* of coverage, where it is counted: writes what was */
extern void __gcov_exit(void) __attribute__((weak, visibility("hidden")));

void t_add(struct t_case *c)
{
	*last = c;
	last = &c->next;
}

void t_row(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(row, sizeof(row), fmt, ap);
	va_end(ap);
}

/* Only the first failure of a case is in its line; the others go to stderr. */
void t_fail(const char *file, int line, const char *fmt, ...)
{
	char text[800];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (!failed)
		snprintf(why, sizeof(why), "%s:%d: %s%s%s%s", file, line, text, row[0] ? " [row " : "", row,
		         row[0] ? "]" : "");
	else
		fprintf(stderr, "  also %s:%d: %s [row %s]\n", file, line, text, row);
	failed = 1;
}

void t_skip(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	skipped = 1;
}

int t_check(const char *file, int line, const char *what, int ok)
{
	if (!ok)
		t_fail(file, line, "%s", what);
	return ok;
}

int t_check_int(const char *file, int line, const char *what, int64_t got, int64_t want)
{
	if (got == want)
		return 1;
	t_fail(file, line, "%s: got %" PRId64 ", want %" PRId64, what, got, want);
	return 0;
}

int t_check_str(const char *file, int line, const char *what, const char *got, const char *want)
{
	if (got == want)
		return 1;
	if (!got || !want) {
		t_fail(file, line, "%s: got %s, want %s", what, got ? got : "NULL", want ? want : "NULL");
		return 0;
	}
	return t_check_mem(file, line, what, got, strlen(got), want, strlen(want));
}

/* show - bytes as a C string literal, shortened; one line whatever they are */
static void show(char *out, size_t size, const unsigned char *p, size_t n)
{
	size_t o = 0;

	out[o++] = '"';
	for (size_t i = 0; i < n && o + 8 < size; i++)
		if (p[i] == '\n')
			o += (size_t)snprintf(out + o, size - o, "\\n");
		else if (p[i] == '\r')
			o += (size_t)snprintf(out + o, size - o, "\\r");
		else if (p[i] < ' ' || p[i] > '~')
			o += (size_t)snprintf(out + o, size - o, "\\x%02x", p[i]);
		else
			out[o++] = (char)p[i];
	out[o++] = '"';
	out[o] = 0;
}

int t_check_mem(const char *file, int line, const char *what, const void *got, size_t got_len, const void *want,
                size_t want_len)
{
	char g[300], w[300];
	size_t i = 0;

	if (got_len == want_len && (!got_len || !memcmp(got, want, got_len)))
		return 1;
	while (i < got_len && i < want_len && ((const char *)got)[i] == ((const char *)want)[i])
		i++;
	show(g, sizeof(g), got, got_len);
	show(w, sizeof(w), want, want_len);
	t_fail(file, line, "%s: got %s (%zu bytes), want %s (%zu bytes), first difference at %zu", what, g, got_len, w,
	       want_len, i);
	return 0;
}

void t_leave(int status)
{
	if (__gcov_exit)
		__gcov_exit();
	_exit(status);
}

const char *t_tmpdir(void)
{
	if (!made_tmpdir && !mkdtemp(tmpdir)) {
		perror(tmpdir);
		exit(1);
	}
	made_tmpdir = 1;
	return tmpdir;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *f)
{
	(void)st, (void)type, (void)f;
	return remove(path);
}

static int wanted(const char *name, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], name))
			return 1;
	return argc < 2;
}

static void on_stuck(int sig)
{
	static const char text[] = ": stuck, or a signal ended it\n";

	(void)!write(1, "not ok ", 7);
	(void)!write(1, running->name, strlen(running->name));
	(void)!write(1, text, sizeof(text) - 1);
	signal(sig, SIG_DFL);
	raise(sig);
}

int main(int argc, char **argv)
{
	int bad = 0, ran = 0;

	signal(SIGALRM, on_stuck);
	signal(SIGPROF, on_stuck);
	signal(SIGABRT, on_stuck);
	for (struct t_case *c = first; c; c = c->next) {
		if (!wanted(c->name, argc, argv))
			continue;
		failed = skipped = row[0] = 0;
		running = c;
		ran++;
		alarm(CASE_WAIT);
		setitimer(ITIMER_PROF, &(struct itimerval){ .it_value.tv_sec = CASE_SECONDS }, NULL);
		c->run();
		if (!leaked && __lsan_do_recoverable_leak_check && __lsan_do_recoverable_leak_check()) {
			leaked = 1;
			t_fail(c->name, 0, "what it allocated is lost; the sanitizer's report tells where from");
		}
		alarm(0);
		setitimer(ITIMER_PROF, &(struct itimerval){ 0 }, NULL);
		if (failed)
			printf("not ok %s: %s\n", c->name, why);
		else if (skipped)
			printf("skip %s: %s\n", c->name, why);
		else
			printf("ok %s\n", c->name);
		fflush(stdout);
		bad += failed;
		if (bad && getenv("RELAYBOX_FIRST"))
			break;
	}
	if (made_tmpdir)
		nftw(tmpdir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	if (!ran)
		fprintf(stderr, "%s: no case of that name\n", argv[0]);
	return bad || !ran;
}
