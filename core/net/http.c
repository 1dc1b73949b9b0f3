/* http.c - see http.h; RFC 9112. Strict: CRLF line ends, no folded lines, a name before each colon, a path from "/". */
#include "core/net/http.h"

#include "core/base/limits.h"

static const struct { int status; const char *text; } reasons[] = {
	{ 200, "OK" }, { 400, "Bad Request" }, { 404, "Not Found" }, { 405, "Method Not Allowed" }, { 421, "Misdirected Request" },
	{ 431, "Request Header Fields Too Large" }, { 500, "Internal Server Error" }, { 503, "Service Unavailable" },
	{ 505, "HTTP Version Not Supported" },
};

static const char *reason_of(int status)
{
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].status == status)
			return reasons[i].text;
	return "Unknown";
}

static bool is_visible(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_is_print(s.p[i]) || s.p[i] == ' ')
			return false;
	return true;
}

/* 0, or the status that refuses it */
static int request_line(struct str line, struct http_request *out)
{
	struct str method, target, version = line;

	if (!str_cut(&version, ' ', &method) || !str_cut(&version, ' ', &target) || !is_visible(target) || !is_visible(version))
		return 400;
	if (!str_starts(version, STR("HTTP/")))
		return 400;
	if (!str_eq(version, STR("HTTP/1.1")) && !str_eq(version, STR("HTTP/1.0")))
		return 505;
	out->head = str_eq(method, STR("HEAD"));
	if (!out->head && !str_eq(method, STR("GET")))
		return 405;
	if (!str_starts(target, STR("/")))
		return 400;
	out->query = target;
	str_cut(&out->query, '?', &out->path);
	return 0;
}

/* every line of the rest is "name: value" */
static bool headers_are_sound(struct str rest)
{
	struct str line;

	while (str_cut(&rest, '\n', &line)) {
		ptrdiff_t colon = str_chr(line, ':');

		if (!str_ends(line, STR("\r")) || colon < 1 || !is_visible(str_head(line, (size_t)colon)))
			return false;
	}
	return true;
}

/* host_of - an address in brackets has colons of its own */
static struct str host_of(struct str field)
{
	ptrdiff_t end = str_starts(field, STR("[")) ? str_chr(field, ']') : str_chr(field, ':') - 1;

	return end >= 0 ? str_head(field, (size_t)end + 1) : field;
}

enum http_result http_parse(struct str in, struct http_request *out, int *status)
{
	struct str head = str_head(in, LIMIT_HTTP_REQUEST), rest, line;
	ptrdiff_t end = str_find(head, STR("\r\n\r\n"));

	memset(out, 0, sizeof(*out));
	*status = 0;
	if (end < 0 && in.n < LIMIT_HTTP_REQUEST)
		return HTTP_NEED_MORE;
	if (end < 0) {
		*status = 431;
		return HTTP_BAD;
	}
	rest = str_head(in, (size_t)end + 2);
	str_cut(&rest, '\n', &line);
	*status = str_ends(line, STR("\r")) ? request_line(str_head(line, line.n - 1), out) : 400;
	if (!*status && !headers_are_sound(rest))
		*status = 400;
	out->length = (size_t)end + 4;
	out->accept = http_header(rest, STR("accept"));
	out->host = host_of(http_header(rest, STR("host")));
	return *status ? HTTP_BAD : HTTP_OK;
}

void http_respond(struct buf *out, int status, const char *type, const char *more, size_t length)
{
	buf_printf(out, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s%sCache-Control: no-store\r\nConnection: close\r\n\r\n",
		status, reason_of(status), type, length, status == 405 ? "Allow: GET, HEAD\r\n" : "", more);
}
