/*
 * bench.h - what the load tools share: the clock, a histogram, addresses, numbers, the header that carries a time.
 *
 * All times are nanoseconds of CLOCK_MONOTONIC, which is one clock for every process of a machine: a message's age at
 * the sink is its own header subtracted from now. Histograms count microseconds in buckets of at most 3 % width, so that a
 * million samples cost the same memory as ten.
 */
#ifndef TESTS_BENCH_BENCH_H
#define TESTS_BENCH_BENCH_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define BENCH_HEADER "X-Bench: "               /* then a sequence number and a time, each 20 digits */
#define BENCH_DIGITS 20
#define HIST_FINE 64                           /* exact below this; HIST_FINE / 2 buckets per doubling above */
#define HIST_DOUBLINGS 34                      /* to about three hours */
#define HIST_BUCKETS ((HIST_DOUBLINGS + 1) * HIST_FINE / 2)

struct hist {
	uint64_t count, total, largest;
	uint32_t bucket[HIST_BUCKETS];
};

uint64_t bench_now(void);
/* bench_fail - say what failed, with errno's reason unless it is 0, and exit 1 */
void bench_fail(const char *what) __attribute__((noreturn));
/* bench_number - text as a number from 0 to most, or exit 64 naming the option */
uint64_t bench_number(char option, const char *text, uint64_t most);
/* bench_address - "PORT" or "ADDRESS:PORT" (IPv4); without an address: fallback. Exits 64 on anything else */
struct sockaddr_in bench_address(const char *text, const char *fallback);
/* bench_many_files - raise the limit of open files as far as it goes */
void bench_many_files(void);
/* bench_end_with_parent - have the kernel end us when whoever started us is gone */
void bench_end_with_parent(void);

void hist_add(struct hist *h, uint64_t us);
/* hist_at - the value below which this share (0 to 1) of the samples lies; 0 when there are none */
uint64_t hist_at(const struct hist *h, double share);
/* hist_print - {"count":..,"mean":..,"p50":..,"p90":..,"p99":..,"max":..} */
void hist_print(const struct hist *h, FILE *out);

#endif
