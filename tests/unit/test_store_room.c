/* test_store_room - the measures of the log on volumes of all sizes, by rows. */
#include "tests/unit/t.h"

#include "core/store/store_private.h"

#define MIB(n) ((uint64_t)(n) << 20)

T(room_measures_follow_the_volume)
{
	static const struct { uint64_t total, free, segment, allocate; } rows[] = {
		{ MIB(8), MIB(7), MIB(1) / 8, 0 }, { MIB(1), MIB(1), 65536, 0 }, { MIB(70), MIB(70), MIB(70) / 64, 0 },
		{ MIB(1024), MIB(1000), MIB(16), MIB(16) }, { MIB(1024), MIB(255), MIB(16), 0 }, { MIB(1024), MIB(256), MIB(16), MIB(8) },
		{ MIB(4096), MIB(4000), MIB(64), MIB(64) }, { MIB(100000), MIB(1024), MIB(64), MIB(32) },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ROW("%d MiB, %d free", (int)(rows[i].total >> 20), (int)(rows[i].free >> 20));
		CHECK_INT(room_segment_size(MIB(64), rows[i].total), rows[i].segment);
		CHECK_INT(room_to_allocate(rows[i].segment, rows[i].free), rows[i].allocate);
	}
	CHECK_INT(room_segment_size(4096, MIB(8)), 4096);
}

T(room_kept_is_postfix_or_a_quarter)
{
	static const struct { uint64_t total, min_free, limit, keep; bool small; } rows[] = {
		{ MIB(1000), 0, 10240000, 15360000, false }, { MIB(1000), 1, 10240000, 15360000, false },
		{ MIB(1000), 20000000, 10240000, 20000000, false }, { MIB(1000), 0, 0, 0, false }, { MIB(8), 5000, 0, 5000, false },
		{ MIB(8), 0, 10240000, MIB(2), true }, { MIB(8), MIB(3), 10240000, MIB(3), true }, { 3000, 0, 1000, 1500, false },
		{ 2999, 0, 1000, 749, true },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ROW("%d, %d, %d", (int)rows[i].total, (int)rows[i].min_free, (int)rows[i].limit);
		CHECK_INT(room_to_keep(rows[i].total, rows[i].min_free, rows[i].limit), rows[i].keep);
		CHECK_INT(room_is_small(rows[i].total, rows[i].limit), rows[i].small);
	}
}
