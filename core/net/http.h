/* http - as much of an HTTP/1.1 server as health checks and scrapes need: GET and HEAD of a path, one request a
 * connection. Pure: bytes in, verdict out. */
#ifndef CORE_NET_HTTP_H
#define CORE_NET_HTTP_H

#include "core/base/buf.h"

enum http_result { HTTP_NEED_MORE, HTTP_OK, HTTP_BAD };
struct http_request {
	struct str path;       /* as sent, from its "/" to before "?"; not decoded; a view into the input */
	struct str query;      /* what follows the "?" */
	struct str accept;     /* its first Accept field; p == NULL: none */
	struct str host;       /* its Host without a port: "name", "1.2.3.4", "[::1]"; p == NULL: none */
	bool head;             /* answer without the body */
	size_t length;         /* bytes of the request; a body, if there is one, is not read */
};
/* http_parse - HTTP_BAD: answer with *status (400, 405, 431 or 505) and close */
enum http_result http_parse(struct str in, struct http_request *out, int *status);
/* http_respond - a response that says the connection closes, up to its body of so many bytes; type: "text/plain; charset=utf-8"; more:
 * "Name: value\r\n"… or "" */
void http_respond(struct buf *out, int status, const char *type, const char *more, size_t length);
/* http_header - a field's value by its name, in lines after the first; p == NULL: not there */
struct str http_header(struct str lines, struct str name);

/* --- the client's half: the answer to a request, with Content-Length, chunked, or up to the end of the connection ---------- */
struct http_answer {
	int status;
	struct str type, date; /* Content-Type, Date: views into the input */
};
/* http_parse_answer - all of the answer so far; `ended`: nothing follows. HTTP_OK: body holds the content, which its bound
 * limits (more is HTTP_BAD). *why on HTTP_BAD, and the status if that much was understood */
enum http_result http_parse_answer(struct str in, bool ended, struct http_answer *out, struct buf *body, const char **why);

#endif
