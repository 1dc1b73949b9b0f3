/*
 * secure.h - TLS for the load tools, by OpenSSL, so that both relays meet the same peer and none meets its own library.
 *
 * Ends are non-blocking and answer like read(2) and write(2): -1 with EAGAIN is "later". One client context serves all
 * connections; asked to resume, each begins with the session that the server gave last.
 */
#ifndef TESTS_BENCH_SECURE_H
#define TESTS_BENCH_SECURE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

struct ssl_st;

/* secure_server - pem: a file with key and certificate. secure_client - nothing is verified. Both exit 1 with a reason */
void secure_server(const char *pem);
void secure_client(bool resume);
struct ssl_st *secure_new(int fd);
void secure_free(struct ssl_st *s);
/* secure_shake - 1 done, 0 later, -1 failed */
int secure_shake(struct ssl_st *s);
bool secure_is_resumed(const struct ssl_st *s);
ssize_t secure_read(struct ssl_st *s, void *p, size_t n);
/* secure_writev - takes up to one record of what v has */
ssize_t secure_writev(struct ssl_st *s, const struct iovec *v, int n);

#endif
