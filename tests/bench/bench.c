/* bench - see bench.h. */
#include "tests/bench/bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <time.h>

uint64_t bench_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void bench_fail(const char *what)
{
	if (errno)
		fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
	else
		fprintf(stderr, "%s: %s\n", program_invocation_short_name, what);
	exit(1);
}

uint64_t bench_number(char option, const char *text, uint64_t most)
{
	unsigned long long n;
	char *end;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno || end == text || *end || *text == '-' || n > most) {
		fprintf(stderr, "%s: -%c %s: not a number from 0 to %llu\n", program_invocation_short_name, option, text,
			(unsigned long long)most);
		exit(EX_USAGE);
	}
	return n;
}

struct sockaddr_in bench_address(const char *text, const char *fallback)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	const char *colon = strrchr(text, ':'), *port = colon ? colon + 1 : text;
	char host[INET_ADDRSTRLEN], *end;
	unsigned long n = strtoul(port, &end, 10);
	size_t length = colon ? (size_t)(colon - text) : strlen(fallback);

	if (length < sizeof(host)) {
		memcpy(host, colon ? text : fallback, length);
		host[length] = '\0';
		if (end != port && !*end && n > 0 && n < 65536 && inet_pton(AF_INET, host, &a.sin_addr) == 1) {
			a.sin_port = htons((uint16_t)n);
			return a;
		}
	}
	fprintf(stderr, "%s: %s: not [ADDRESS:]PORT\n", program_invocation_short_name, text);
	exit(EX_USAGE);
}

void bench_many_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

void bench_end_with_parent(void)
{
	prctl(PR_SET_PDEATHSIG, SIGTERM);
}

/* Below HIST_FINE microseconds each value has a bucket; above, each doubling has HIST_FINE / 2 of them. */
static size_t slot(uint64_t us)
{
	unsigned shift = 0;
	size_t i;

	while (us >> shift >= HIST_FINE)
		shift++;
	i = (size_t)shift * (HIST_FINE / 2) + (size_t)(us >> shift);
	return i < HIST_BUCKETS ? i : HIST_BUCKETS - 1;
}

static uint64_t value(size_t i)
{
	unsigned shift;

	if (i < HIST_FINE)
		return i;
	shift = (unsigned)(i / (HIST_FINE / 2)) - 1;
	return (uint64_t)(i - (size_t)shift * (HIST_FINE / 2)) << shift;
}

void hist_add(struct hist *h, uint64_t us)
{
	h->count++;
	h->total += us;
	if (us > h->largest)
		h->largest = us;
	h->bucket[slot(us)]++;
}

uint64_t hist_at(const struct hist *h, double share)
{
	uint64_t want = (uint64_t)(share * (double)h->count), seen = 0;

	if (want >= h->count)
		return h->largest;
	for (size_t i = 0; i < HIST_BUCKETS; i++) {
		seen += h->bucket[i];
		if (seen > want)
			return value(i);
	}
	return h->largest;
}

void hist_print(const struct hist *h, FILE *out)
{
	fprintf(out, "{\"count\":%llu,\"mean\":%.0f,\"p50\":%llu,\"p90\":%llu,\"p99\":%llu,\"max\":%llu}",
		(unsigned long long)h->count, h->count ? (double)h->total / (double)h->count : 0.0,
		(unsigned long long)hist_at(h, 0.5), (unsigned long long)hist_at(h, 0.9),
		(unsigned long long)hist_at(h, 0.99), (unsigned long long)h->largest);
}
