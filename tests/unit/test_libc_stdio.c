/* printf to a stream, whoever does it: whole at every length around the room that it is written in first, and what it says it wrote */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/t.h"

/* print - to a file, and what is in it then */
static size_t print(size_t n, char *got, size_t size, int *said)
{
	char *text = malloc(n + 1);
	FILE *f = tmpfile();
	size_t read = 0;

	if (text && f) {
		for (size_t i = 0; i < n; i++)
			text[i] = (char)('a' + i % 26);
		text[n] = '\0';
		*said = fprintf(f, "%s", text);
		rewind(f);
		read = fread(got, 1, size, f);
	}
	if (f)
		fclose(f);
	free(text);
	return read;
}

T(printf_writes_all_of_every_length)
{
	static const size_t lengths[] = { 0, 1, 25, 26, 1000, 1022, 1023, 1024, 1025, 2047, 2048, 2049, 70000 };
	static char got[80000];

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		size_t n = lengths[i], wrong = 0;
		int said = -1;

		ROW("%zu", n);
		CHECK_INT(print(n, got, sizeof(got), &said), n);
		CHECK_INT(said, n);
		for (size_t k = 0; k < n; k++)
			wrong += got[k] != (char)('a' + k % 26);
		CHECK_INT(wrong, 0);
	}
}

T(printf_says_when_it_could_not)
{
	FILE *full = fopen("/dev/full", "w");
	char *text = malloc(70001);

	REQUIRE(full && text);
	setvbuf(full, NULL, _IONBF, 0);
	memset(text, 'x', 70000);
	text[70000] = '\0';
	CHECK(fprintf(full, "%s", text) < 0);
	fclose(full);
	free(text);
}

T(snprintf_stops_at_its_bound_and_says_how_long_it_would_be)
{
	char out[8];

	for (size_t size = 0; size <= sizeof(out); size++) {
		ROW("%zu", size);
		memset(out, '#', sizeof(out));
		CHECK_INT(snprintf(size ? out : NULL, size, "%d-%s", 12, "abc"), 6);
		if (size)
			CHECK_INT(strlen(out), size - 1 < 6 ? size - 1 : 6);
		CHECK(size == sizeof(out) || out[size] == '#');
	}
}
