/* what comes in parts: answers of HTTP cut anywhere, and what follows the addresses of a PROXY header */
#include <stdio.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/net/http.h"
#include "core/net/proxy.h"
#include "tests/unit/t.h"

T(http_answer_is_whole_or_not_yet)
{
	static const struct { const char *text, *body; size_t least; /* bytes that are enough */ } rows[] = {
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n", "abcde", 0 },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0a\r\n0123456789\r\n0\r\n\r\n", "ab0123456789", 0 },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde", "abcde", 0 },
		{ "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nno", "no", 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t n = strlen(rows[i].text), head = (size_t)(strstr(rows[i].text, "\r\n\r\n") - rows[i].text) + 4;

		for (size_t k = 0; k <= n; k++) {
			for (int ended = 0; ended < 2; ended++) {
				struct http_answer a;
				enum http_result got;
				const char *why;
				struct buf body;
				/* the last chunk's own end is not waited for */
				bool enough = k == n || (strstr(rows[i].text, "chunked") && k + 2 >= n);

				ROW("%zu: %zu of %zu%s", i, k, n, ended ? ", the end" : "");
				buf_init(&body, 1000);
				got = http_parse_answer(str_make(rows[i].text, k), ended, &a, &body, &why);
				CHECK_INT(got, enough ? HTTP_OK : ended ? HTTP_BAD : HTTP_NEED_MORE);
				if (enough)
					CHECK_STR(buf_cstr(&body), rows[i].body);
				CHECK(k > head || body.n == 0);
				buf_fini(&body);
			}
		}
	}
}

/* 000 would read as "no answer, and nothing is the reason" */
T(http_answer_has_a_status_that_is_one)
{
	static const struct { const char *text; int want; } rows[] = {
		{ "HTTP/1.1 200 OK\r\n\r\n", HTTP_OK }, { "HTTP/1.1 999 x\r\n\r\n", HTTP_OK }, { "HTTP/1.1 099 x\r\n\r\n", HTTP_BAD },
		{ "HTTP/1.1 000 x\r\n\r\n", HTTP_BAD }, { "HTTP/1.1 020 x\r\n\r\n", HTTP_BAD }, { "HTTP/1.1 103 x\r\n\r\nHTTP/1.1 020 x\r\n\r\n", HTTP_BAD },
		{ "HTTP/1.1 2x0 x\r\n\r\n", HTTP_BAD }, { "HTTP/1.1 20\r\n\r\n", HTTP_BAD },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct http_answer a;
		const char *why;
		struct buf body;

		ROW("%s", rows[i].text);
		buf_init(&body, 100);
		CHECK_INT(http_parse_answer(str_of(rows[i].text), true, &a, &body, &why), rows[i].want);
		buf_fini(&body);
	}
}

/* header - version 2, TCP over IPv4, with so many bytes of one value, and one after it */
static size_t header(unsigned char *out, unsigned first, unsigned second, int off)
{
	static const unsigned char start[] = { 13, 10, 13, 10, 0, 13, 10, 'Q', 'U', 'I', 'T', 10, 0x21, 0x11 };
	unsigned length = 12 + 3 + first + 3 + second;
	size_t n = sizeof(start);

	memcpy(out, start, n);
	out[n++] = (unsigned char)(length >> 8);
	out[n++] = (unsigned char)length;
	memcpy(out + n, "\xc0\0\2\1\xc6\x33\x64\2\4\1\2\x4b", 12);
	n += 12;
	out[n++] = 0x04;
	out[n++] = (unsigned char)(first >> 8);
	out[n++] = (unsigned char)first;
	memset(out + n, 0xff, first);
	n += first;
	out[n++] = 0xea;
	out[n++] = (unsigned char)((second + (unsigned)off) >> 8);
	out[n++] = (unsigned char)(second + (unsigned)off);
	memset(out + n, 0xff, second);
	return n + second;
}

T(proxy_values_fill_the_header)
{
	static const unsigned firsts[] = { 0, 1, 2, 254, 255, 256, 257, 300 }, seconds[] = { 0, 1, 5, 255, 256 };
	static unsigned char text[2000];

	for (size_t i = 0; i < sizeof(firsts) / sizeof(firsts[0]); i++) {
		for (size_t k = 0; k < sizeof(seconds) / sizeof(seconds[0]); k++) {
			for (int off = 0; off < 2; off++) {
				size_t n = header(text, firsts[i], seconds[k], off);
				bool good = !off && n <= LIMIT_PROXY_HEADER;
				struct proxy_header h;
				const char *why;

				ROW("%u %u %+d", firsts[i], seconds[k], off);
				CHECK_INT(proxy_parse(str_make((char *)text, n), &h, &why), good ? PROXY_OK : PROXY_BAD);
				if (good)
					CHECK_INT(h.length, n);
				/* not all of it is not yet anything */
				if (good)
					CHECK_INT(proxy_parse(str_make((char *)text, n - 1), &h, &why), PROXY_NEED_MORE);
			}
		}
	}
}
