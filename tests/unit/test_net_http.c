/* test_net_http.c - requests of health checks, good and bad. */
#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/net/http.h"
#include "tests/unit/t.h"

T(http_requests)
{
	static const struct { const char *in; enum http_result want; int status; const char *path, *query; bool head; } rows[] = {
		{ "GET /healthz HTTP/1.1\r\nHost: x\r\nUser-Agent: kube-probe/1.30\r\n\r\n", HTTP_OK, 0, "/healthz", "", false },
		{ "GET / HTTP/1.0\r\n\r\n", HTTP_OK, 0, "/", "", false },
		{ "HEAD /metrics?x=1&y HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", HTTP_OK, 0, "/metrics", "x=1&y", true },
		{ "GET /a HTTP/1.1\r\nA:\r\n\r\nbody", HTTP_OK, 0, "/a", "", false },
		{ "", HTTP_NEED_MORE, 0, NULL, NULL, false },
		{ "GET / HTTP/1.1\r\n", HTTP_NEED_MORE, 0, NULL, NULL, false },
		{ "GET / HTTP/1.1\r\nHost: x\r\n", HTTP_NEED_MORE, 0, NULL, NULL, false },
		{ "POST / HTTP/1.1\r\n\r\n", HTTP_BAD, 405, NULL, NULL, false },
		{ "get / HTTP/1.1\r\n\r\n", HTTP_BAD, 405, NULL, NULL, false },
		{ "GET / HTTP/2.0\r\n\r\n", HTTP_BAD, 505, NULL, NULL, false },
		{ "GET /\r\n\r\n", HTTP_BAD, 400, NULL, NULL, false },
		{ "GET / a HTTP/1.1\r\n\r\n", HTTP_BAD, 400, NULL, NULL, false },
		{ "GET  / HTTP/1.1\r\n\r\n", HTTP_BAD, 400, NULL, NULL, false },
		{ "GET x HTTP/1.1\r\n\r\n", HTTP_BAD, 400, NULL, NULL, false },
		{ "GET http://x/ HTTP/1.1\r\n\r\n", HTTP_BAD, 400, NULL, NULL, false },
		{ "GET /\x01 HTTP/1.1\r\n\r\n", HTTP_BAD, 400, NULL, NULL, false },
		{ "GET / HTTP/1.1\nHost: x\r\n\r\n", HTTP_BAD, 400, NULL, NULL, false },
		{ "GET / HTTP/1.1\r\nHost: x\n y\r\n\r\n", HTTP_BAD, 400, NULL, NULL, false },
		{ "GET / HTTP/1.1\r\nHost\r\n\r\n", HTTP_BAD, 400, NULL, NULL, false },
		{ "GET / HTTP/1.1\r\n: x\r\n\r\n", HTTP_BAD, 400, NULL, NULL, false },
		{ "GET / HTTP/1.1\r\nHost : x\r\n\r\n", HTTP_BAD, 400, NULL, NULL, false },
		{ "EHLO x\r\n\r\n", HTTP_BAD, 400, NULL, NULL, false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct http_request r;
		int status;

		ROW("%s", rows[i].in);
		CHECK_INT(http_parse(str_of(rows[i].in), &r, &status), rows[i].want);
		CHECK_INT(status, rows[i].status);
		if (rows[i].want != HTTP_OK)
			continue;
		CHECK_VIEW(r.path, rows[i].path);
		CHECK_VIEW(r.query, rows[i].query);
		CHECK_INT(r.head, rows[i].head);
		CHECK_INT(r.length, (size_t)(strstr(rows[i].in, "\r\n\r\n") - rows[i].in) + 4);
	}
}

T(http_first_accept_field_counts)
{
	struct http_request r;
	int status;

	CHECK_INT(http_parse(STR("GET / HTTP/1.1\r\nX-Accept: b\r\naCCept: a/b;q=1, c\r\nAccept: d\r\n\r\n"), &r, &status), HTTP_OK);
	CHECK_VIEW(r.accept, "a/b;q=1, c");
	CHECK_INT(http_parse(STR("GET / HTTP/1.1\r\nX-Accept: b\r\n\r\nAccept: d\r\n"), &r, &status), HTTP_OK);
	CHECK(r.accept.p == NULL);
}

T(http_bound)
{
	char *big = mem_alloc(LIMIT_HTTP_REQUEST);
	struct http_request r;
	int status;

	memset(big, 'x', LIMIT_HTTP_REQUEST);
	CHECK_INT(http_parse(str_make(big, LIMIT_HTTP_REQUEST - 1), &r, &status), HTTP_NEED_MORE);
	CHECK_INT(http_parse(str_make(big, LIMIT_HTTP_REQUEST), &r, &status), HTTP_BAD);
	CHECK_INT(status, 431);
	mem_free(big);
}

T(http_responses)
{
	struct buf out;

	buf_init(&out, 1000);
	http_respond(&out, 200, "text/plain", "X: y\r\n", 3);
	CHECK_STR(buf_cstr(&out), "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\nX: y\r\nCache-Control: no-store\r\n"
		"Connection: close\r\n\r\n");
	buf_clear(&out);
	http_respond(&out, 405, "text/plain", "", 3);
	CHECK_STR(buf_cstr(&out), "HTTP/1.1 405 Method Not Allowed\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n"
		"Allow: GET, HEAD\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n");
	buf_fini(&out);
}
