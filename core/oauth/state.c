/* state - see state.h. */
#include "core/oauth/state.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "core/base/format.h"
#include "core/base/fs.h"
#include "core/base/limits.h"
#include "core/net/tls.h"

void oauth_state_path(const char *directory, const char *file, char out[OAUTH_STATE_PATH])
{
	uint8_t digest[32];
	struct buf name;

	if (!directory) {
		format_text(out, OAUTH_STATE_PATH, "%s.state", file);
		return;
	}
	tls_sha256(digest, file, strlen(file));
	buf_init(&name, 32);
	buf_hex(&name, digest, 16);
	format_text(out, OAUTH_STATE_PATH, "%s/%s", directory, buf_cstr(&name));
	buf_fini(&name);
}

/* make_folder - for the queue's owner, who is not always we */
static void make_folder(const char *queue, const char *path)
{
	struct stat owner;
	int fd;

	if (stat(queue, &owner) < 0 || fs_mkdir(path, 0700) < 0 || (fd = fs_open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0)) < 0)
		return;
	(void)fs_fchown(fd, owner.st_uid, owner.st_gid);
	fs_close(fd);
}

const char *oauth_state_place(const char *queue_directory, bool make, char out[OAUTH_STATE_PATH])
{
	format_text(out, OAUTH_STATE_PATH, "%s/oauth", queue_directory);
	if (make && access(out, F_OK) < 0 && errno == ENOENT)
		make_folder(queue_directory, out);
	if (access(out, R_OK | W_OK | X_OK) < 0)
		out[0] = 0;
	return out;
}

void oauth_state_format(const struct oauth_state *s, const uint8_t source[32], struct buf *out)
{
	/* all room at once: a buffer that moves would leave secrets behind */
	buf_reserve(out, 100 + s->access_token.n + s->refresh_token.n + s->why.n);
	buf_hex(out, source, 32);
	buf_printf(out, "\n%lld\n%.*s\n%.*s\n%.*s\n", (long long)(s->expiry / USEC_PER_SEC), STR_ARG(s->access_token), STR_ARG(s->refresh_token),
		STR_ARG(s->why));
}

bool oauth_state_parse(struct str text, const uint8_t source[32], struct oauth_state *out)
{
	struct buf digest;
	struct str line;
	uint64_t seconds;
	bool good;

	*out = (struct oauth_state){ .expiry = 0 };
	buf_init(&digest, 64);
	buf_hex(&digest, source, 32);
	good = str_cut(&text, '\n', &line) && str_eq(line, buf_view(&digest)) && str_cut(&text, '\n', &line) && str_to_u64(line, &seconds) &&
		seconds < LIMIT_OAUTH_EXPIRY && str_cut(&text, '\n', &out->access_token) && str_cut(&text, '\n', &out->refresh_token);
	buf_fini(&digest);
	if (!good)
		return false;
	(void)str_cut(&text, '\n', &out->why);
	out->expiry = (usec)seconds * USEC_PER_SEC;
	return true;
}
