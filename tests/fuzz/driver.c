/*
 * driver.c - run a fuzz target over stored inputs, without a fuzzer.
 *
 *	NAME FILE-OR-FOLDER...
 *
 * Each input is copied to a block of exactly its size, so that the sanitizers see a read past its end. Also runs the
 * empty input. Prints "ok NAME: N inputs"; a crash is the failure, and the input's name is on stderr just before it.
 */
#include <dirent.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* a target may have one, as with libFuzzer */
__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv);

static const char *current = "the empty input";
static unsigned long count;

/* Name the input that ended the program: the sanitizers exit on a finding, anything else is a signal */
static void on_exit_early(void)
{
	if (current)
		fprintf(stderr, "input: %s\n", current);
}

static void on_signal(int sig)
{
	(void)!write(2, "input: ", 7);
	(void)!write(2, current, strlen(current));
	(void)!write(2, "\n", 1);
	signal(sig, SIG_DFL);
	raise(sig);
}

static void run_file(const char *path, size_t size)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data = malloc(size ? size : 1);
	size_t n;

	if (!f || !data) {
		perror(path);
		exit(1);
	}
	n = fread(data, 1, size, f);
	fclose(f);
	current = path;
	alarm(20); /* an input that hangs is a finding too */
	LLVMFuzzerTestOneInput(data, n);
	alarm(0);
	free(data);
	count++;
}

static void run_path(const char *path)
{
	char sub[4096];
	struct dirent *e;
	struct stat st;
	DIR *d;

	if (stat(path, &st)) {
		perror(path);
		exit(1);
	}
	if (!S_ISDIR(st.st_mode)) {
		run_file(path, (size_t)st.st_size);
		return;
	}
	d = opendir(path);
	while (d && (e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(sub, sizeof(sub), "%s/%s", path, e->d_name);
		run_path(sub);
	}
	if (d)
		closedir(d);
}

int main(int argc, char **argv)
{
	static const int ends[] = { SIGABRT, SIGALRM, SIGBUS, SIGFPE, SIGILL, SIGSEGV };
	const char *name = strrchr(argv[0], '/');

	atexit(on_exit_early);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		signal(ends[i], on_signal);
	if (LLVMFuzzerInitialize)
		LLVMFuzzerInitialize(&argc, &argv);
	LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
	for (int i = 1; i < argc; i++)
		run_path(argv[i]);
	current = NULL;
	printf("ok %s: %lu inputs\n", name ? name + 1 : argv[0], count);
	return 0;
}
