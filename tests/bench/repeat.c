/*
 * repeat - run a command again and again, one at a time, and say what one run costs.
 *
 *	repeat COUNT FILE COMMAND [ARGUMENT...]      FILE is its standard input
 *
 * Prints {"runs":..,"failed":..,"cpu_ms":..,"rss_kib":..,"wall_us":{...}}: mean CPU of one run, its children included,
 * the largest resident set of any, and the spread of its duration. A shell or Python around a program of one
 * millisecond would mostly measure itself; this adds one vfork.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "tests/bench/bench.h"

static struct hist wall;
static struct rusage used;

/* run - 0, or 1 if the command did not exit 0 */
static uint64_t run(const char *input, char **command)
{
	posix_spawn_file_actions_t files;
	pid_t pid;
	int status, error;
	uint64_t start;

	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, 0, input, O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
	start = bench_now();
	error = posix_spawnp(&pid, command[0], &files, NULL, command, environ);
	posix_spawn_file_actions_destroy(&files);
	if (error) {
		errno = error;
		bench_fail(command[0]);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			bench_fail("waitpid");
	hist_add(&wall, (bench_now() - start) / 1000);
	return !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(int argc, char **argv)
{
	uint64_t failed = 0;
	uint64_t runs;
	double cpu;

	if (argc < 4) {
		fprintf(stderr, "usage: repeat COUNT FILE COMMAND [ARGUMENT...]\n");
		return EX_USAGE;
	}
	runs = bench_number('#', argv[1], 1000000);
	for (uint64_t i = 0; i < runs; i++)
		failed += run(argv[2], argv + 3);
	getrusage(RUSAGE_CHILDREN, &used);
	cpu = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e3 +
		(double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e3;
	printf("{\"runs\":%llu,\"failed\":%llu,\"cpu_ms\":%.3f,\"rss_kib\":%ld,\"wall_us\":", (unsigned long long)runs,
		(unsigned long long)failed, cpu / (double)(runs ? runs : 1), used.ru_maxrss);
	hist_print(&wall, stdout);
	printf("}\n");
	return 0;
}
