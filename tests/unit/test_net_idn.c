/* test_net_idn.c - international names: examples of RFC 3492, of registries, and names that are none */
#include "core/net/idn.h"
#include "tests/unit/t.h"

T(idn_names_become_what_dns_knows)
{
	static const struct { const char *in, *want; } rows[] = {
		{ "example.com", "example.com" }, { "", "" }, { "a.b.", "a.b." }, { "b\u00fccher.example", "xn--bcher-kva.example" }, { "B\u00dcCHER.Example", "xn--bcher-kva.example" },
		{ "mx.m\u00fcnchen.de.", "mx.xn--mnchen-3ya.de." }, { "fa\u00df.de", "xn--fa-hia.de" }, { "\u03c0\u03b1\u03c1\u03ac\u03b4\u03b5\u03b9\u03b3\u03bc\u03b1.test", "xn--hxajbheg2az3al.test" },
		{ "\u041f\u0420\u0418\u041c\u0415\u0420.\u0440\u0444", "xn--e1afmkfd.xn--p1ai" }, { "\u4f8b\u3048\u3002\u30c6\u30b9\u30c8", "xn--r8jz45g.xn--zckzah" },
		{ "\u4f8b\u5b50.\u6d4b\u8bd5", "xn--fsqu00a.xn--0zwm56d" }, { "\u0645\u062b\u0627\u0644.test", "xn--mgbh0fb.test" }, { "\u010cESK\u00c1.cz", "xn--esk-gla0t.cz" },
		{ "\U0001f4a9.la", "xn--ls8h.la" }, { "3\u5e74B\u7d44\u91d1\u516b\u5148\u751f.jp", "xn--3b-ww4c5e180e575a65lsy2b.jp" },
		{ "\u306a\u305c\u307f\u3093\u306a\u65e5\u672c\u8a9e\u3092\u8a71\u3057\u3066\u304f\u308c\u306a\u3044\u306e\u304b", "xn--n8jok5ay5dzabd5bym9f0cm5685rrjetr6pdxa" },
		/* marks apart from their letters, one and two of them, and those that have no whole */
		{ "bu\u0308cher.example", "xn--bcher-kva.example" }, { "BU\u0308CHER.example", "xn--bcher-kva.example" }, { "c\u030cesk\u00e1.cz", "xn--esk-gla0t.cz" },
		{ "vie\u0323\u0302t.vn", "xn--vit-5kz.vn" }, { "x\u030c.test", "xn--x-kcb.test" }, { "\u03c0\u03b1\u03c1\u03b1\u0301\u03b4\u03b5\u03b9\u03b3\u03bc\u03b1.test", "xn--hxajbheg2az3al.test" },
		{ "\u0438\u0306.test", "xn--i1a.test" }, { "\u304b\u3099\u3066\u3099\u306f\u309a\u30cf\u309a\u30bb\u3099\u3042\u3099", "xn--l8jta5fub7mthlf" }, { "\u1112\u1161\u11ab.test", "xn--6q8b.test" },
		{ "\xff.test", NULL }, { "b\xc3.test", NULL },
		/* 59 bytes of Bootstring behind xn-- fit, and no more */
		{ "\u4e00\u51d1\u55a2\u5973\u5d44\u6115\u64e6\u68b7\u6c88\u7059\u742a\u77fb\u7bcc\u7f9d\u836e\u873f\u8b10\u8ee1\u92b2\u9683", NULL },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char got[256];

		ROW("%s", rows[i].in);
		CHECK_INT(idn_to_ascii(str_of(rows[i].in), got), rows[i].want != NULL);
		if (rows[i].want)
			CHECK_STR(got, rows[i].want);
	}
}

T(idn_bounds_at_their_numbers)
{
	char name[400], got[256];

	/* 251 plain bytes, then one letter that is not */
	memset(name, 'a', sizeof(name));
	for (size_t i = 60; i < 250; i += 61)
		name[i] = '.';
	for (size_t n = 240; n < 260; n++) {
		memcpy(name + n, ".\xc3\xbc", 4);
		ROW("%zu", n);
		CHECK(!idn_to_ascii(str_of(name), got) || strlen(got) < 256);
		name[n] = name[n + 1] = name[n + 2] = 'a';
	}
}
