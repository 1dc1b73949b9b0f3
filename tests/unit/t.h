/*
 * t.h - the whole unit test framework.
 *
 *	#include "tests/unit/t.h"
 *
 *	T(addr_rejects_empty_local_part)
 *	{
 *		static const struct { const char *in; int want; } rows[] = { { "@x", -1 }, { "a@x", 0 } };
 *
 *		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
 *			ROW("%s", rows[i].in);
 *			CHECK_INT(addr_check(rows[i].in), rows[i].want);
 *		}
 *	}
 *
 * Each tests/unit/test_NAME.c is one program; main() is in t.c and is linked in. Cases run in the order they are
 * written; arguments name the cases to run (none: all). One line per case: "ok NAME", "not ok NAME: why" or
 * "skip NAME: why"; the exit status is 1 if any case failed. A failed CHECK does not end the case, a failed
 * REQUIRE does. Each case has 60 seconds. Under the sanitizers a case that loses memory has failed.
 */
#ifndef TESTS_UNIT_T_H
#define TESTS_UNIT_T_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct t_case {
	const char *name;
	void (*run)(void);
	struct t_case *next;
};

/* t_add - register a case; called by T() before main */
void t_add(struct t_case *c);
/* t_row - label what is checked next, shown when it fails; a new case starts without a label */
void t_row(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* t_fail - mark the running case as failed and say why */
void t_fail(const char *file, int line, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* t_skip - mark the running case as skipped, with the reason */
void t_skip(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* t_check_xxx - compare, t_fail when different; 1 if equal. Strings may be NULL */
int t_check(const char *file, int line, const char *what, int ok);
int t_check_str(const char *file, int line, const char *what, const char *got, const char *want);
int t_check_mem(const char *file, int line, const char *what, const void *got, size_t got_len, const void *want,
                size_t want_len);
int t_check_int(const char *file, int line, const char *what, int64_t got, int64_t want);
/* t_leave - end a child of this program as _exit does; what it has reached counts for coverage. Not where it may not write files any more */
void t_leave(int status) __attribute__((noreturn));
/* t_tmpdir - a fresh empty directory for this program, removed with everything in it when the program ends */
const char *t_tmpdir(void);

#define T(NAME)                                                             \
	static void t_run_##NAME(void);                                     \
	static struct t_case t_case_##NAME = { #NAME, t_run_##NAME, NULL }; \
	__attribute__((constructor)) static void t_reg_##NAME(void)         \
	{                                                                   \
		t_add(&t_case_##NAME);                                      \
	}                                                                   \
	static void t_run_##NAME(void)

#define ROW(...) t_row(__VA_ARGS__)

#define CHECK(COND) t_check(__FILE__, __LINE__, #COND, !!(COND))
/* CHECK_STR - NUL-terminated strings */
#define CHECK_STR(GOT, WANT) t_check_str(__FILE__, __LINE__, #GOT, GOT, WANT)
/* CHECK_MEM - bytes with lengths */
#define CHECK_MEM(GOT, GOT_LEN, WANT, WANT_LEN) t_check_mem(__FILE__, __LINE__, #GOT, GOT, GOT_LEN, WANT, WANT_LEN)
/* CHECK_VIEW - a struct str { p, n } against a C string (needs core/base/str.h's field names) */
#define CHECK_VIEW(GOT, WANT) t_check_mem(__FILE__, __LINE__, #GOT, (GOT).p, (GOT).n, WANT, strlen(WANT))
#define CHECK_INT(GOT, WANT) t_check_int(__FILE__, __LINE__, #GOT, (int64_t)(GOT), (int64_t)(WANT))

/* REQUIRE - as CHECK, but leave the case: what follows makes no sense without it */
#define REQUIRE(COND)                                            \
	do {                                                     \
		if (!(COND)) {                                   \
			t_fail(__FILE__, __LINE__, "%s", #COND); \
			return;                                  \
		}                                                \
	} while (0)
/* SKIP - leave the case as skipped */
#define SKIP(...)                    \
	do {                         \
		t_skip(__VA_ARGS__); \
		return;              \
	} while (0)

#endif
