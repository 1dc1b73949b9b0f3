/* content - message bytes on the wire, both ways: what DATA and BDAT bring is unstuffed and cleaned to CRLF lines, what is
 * sent is cleaned again, folded and stuffed.
 *
 * One rule for both (threats A1-A3): only CRLF is a line end. A bare LF becomes CRLF, CR CR LF is CRLF, and another stray CR
 * becomes a space, in and out, whoever the peer is; so nothing that we take ends early and nothing that we give can end early
 * elsewhere. A dot is transparency only after a true CRLF (or at the start), and CRLF . CRLF is the only end; but for a client whose
 * DATA command itself ended in CR CR LF, whose final dot does, too. No mail system in between sends that, so nobody can smuggle with it.
 *
 * Runs of lines that need no change are views of the input or one copy. */
#ifndef CORE_SMTP_CONTENT_H
#define CORE_SMTP_CONTENT_H

#include "core/base/buf.h"

/* --- in --- */
struct content_in {
	bool dots;       /* DATA: undo dot stuffing and look for the end */
	bool bol;        /* the last byte taken ended a wire line */
	bool double_cr;  /* DATA: the client's own lines end in CR CR LF, so ". CR CR LF" is the end as well */
	bool bare_lf;    /* a line ended in LF alone */
	unsigned cr;     /* BDAT: so many CR ended the last chunk */
};
#define CONTENT_CRS 16   /* CRs in a row that are looked past; more are spaces whatever follows */
enum content_result { CONTENT_MORE, CONTENT_PIECE, CONTENT_END };
void content_in_init(struct content_in *c, bool dots);
/* content_in_next - take bytes off *in: PIECE with clean content (a view of the input or of a constant), END after the
 * final dot's CRLF, MORE when what is left can only be judged with what follows it (at most CONTENT_CRS + 1 bytes; it stays in *in).
 * `final`: nothing follows in this BDAT chunk, so all of *in is taken. */
enum content_result content_in_next(struct content_in *c, struct str *in, bool final, struct str *piece);
/* content_in_end - after the last BDAT chunk: what is still to add, maybe empty */
struct str content_in_end(struct content_in *c);

/* --- out --- */
struct content_out {
	bool dots;       /* DATA: stuff dots, end with CRLF . CRLF */
	bool bol;        /* at the start of a line */
	unsigned cr;     /* so many CR ended the last piece */
	size_t column;   /* bytes of this line so far */
	size_t limit;    /* longest line without its CRLF, longer ones are folded with CRLF SP; 0 = none */
};
void content_out_init(struct content_out *c, bool dots, size_t limit);
bool content_out_is_clean(struct content_out *c, struct str piece); /* piece may be sent as it is; c is then past it, else unmoved */
void content_out_add(struct content_out *c, struct buf *out, struct str piece);
void content_out_end(struct content_out *c, struct buf *out);       /* last line end, final dot under DATA */

bool content_has_8bit(struct str s);

#endif
