# libs.mk - compile the three libraries from SRC into OUT/lib{mbed,cdb,z}.a; run by the Makefile with CC, CFLAGS, FOR_SIZE, OUT,
# SRC, INC (where the public headers are) and FLAGS (a file that is new when the flags are). Not by the libraries' own
# build systems: their sources are plain C, and this way every variant (musl, sanitizers, either compiler) gets exactly
# our flags and our mbedtls_config.h.

# zlib in memory only: no gz* file layer, no gzip format.
z_src = $(addprefix $(SRC)/zlib/,adler32.c compress.c crc32.c deflate.c inffast.c inflate.c inftrees.c trees.c \
	uncompr.c zutil.c)
cdb_src = $(wildcard $(SRC)/tinycdb/cdb_*.c)
mbed_src = $(wildcard $(SRC)/mbedtls/library/*.c)

# What runs per byte or per handshake is worth its size, most of all the arithmetic of a handshake; the rest is compiled for size.
hot = bignum ecp_curves aes aesni aesce gcm chacha20 poly1305 sha256 sha512 adler32 crc32 deflate inffast inflate inftrees trees cdb_make \
	cdb_make_add cdb_hash cdb_find cdb_make_put
hottest = bignum_core bignum_mod bignum_mod_raw ecp ecp_curves_new constant_time
$(foreach f,$(hot),$(OUT)/mbed/$f.o $(OUT)/z/$f.o $(OUT)/cdb/$f.o): OPT = -O2
$(foreach f,$(hottest),$(OUT)/mbed/$f.o): OPT = -O3
OPT ?= $(FOR_SIZE)
# a block of SHA-256 is core/net/tls_sha256.c's
$(OUT)/mbed/sha256.o: OWN = -DMBEDTLS_SHA256_PROCESS_ALT -Dmbedtls_internal_sha256_process=tls_sha256_process
# a record of AES-GCM is core/net/tls_gcm.c's
$(OUT)/mbed/cipher.o: OWN = -Dmbedtls_gcm_crypt_and_tag=tls_gcm_crypt_and_tag -Dmbedtls_gcm_auth_decrypt=tls_gcm_auth_decrypt
# powers are core/net/tls_exp_mod.c's
$(OUT)/mbed/bignum.o: OWN = -Dmbedtls_mpi_core_exp_mod=tls_exp_mod -Dmbedtls_mpi_core_exp_mod_unsafe=tls_exp_mod_unsafe
# X25519 is core/net/tls_x25519.c's
$(OUT)/mbed/ecdh.o $(OUT)/mbed/psa_crypto_ecp.o: OWN = -Dmbedtls_ecp_mul=tls_ecp_mul -Dmbedtls_ecp_mul_restartable=tls_ecp_mul_restartable
# what checks a signature of P-256 is core/net/tls_p256.c's
$(OUT)/mbed/ecdsa.o: OWN = -Dmbedtls_ecp_muladd_restartable=tls_ecp_muladd_restartable

mbed_obj = $(patsubst $(SRC)/mbedtls/library/%.c,$(OUT)/mbed/%.o,$(mbed_src))
cdb_obj = $(patsubst $(SRC)/tinycdb/%.c,$(OUT)/cdb/%.o,$(cdb_src))
z_obj = $(patsubst $(SRC)/zlib/%.c,$(OUT)/z/%.o,$(z_src))

$(OUT)/.built: $(OUT)/libmbed.a $(OUT)/libcdb.a $(OUT)/libz.a
	@touch $@

$(OUT)/libmbed.a: $(mbed_obj)
$(OUT)/libcdb.a: $(cdb_obj)
$(OUT)/libz.a: $(z_obj)
$(OUT)/%.a:
	@rm -f $@
	@$(AR) rcs $@ $^

# Unpacked sources bear their packager's dates; the headers are laid out anew whenever a source is.
fresh = $(FLAGS) $(INC)/mbedtls/mbedtls_config.h

$(OUT)/mbed/%.o: $(SRC)/mbedtls/library/%.c $(fresh) | $(OUT)/mbed
	@$(CC) $(CFLAGS) $(OPT) $(OWN) -I$(INC) -I$(SRC)/mbedtls/library -c -o $@ $<
$(OUT)/cdb/%.o: $(SRC)/tinycdb/%.c $(fresh) | $(OUT)/cdb
	@$(CC) $(CFLAGS) $(OPT) -c -o $@ $<
$(OUT)/z/%.o: $(SRC)/zlib/%.c $(fresh) | $(OUT)/z
	@$(CC) $(CFLAGS) $(OPT) -DHAVE_UNISTD_H -DNO_GZIP -c -o $@ $<
$(OUT)/mbed $(OUT)/cdb $(OUT)/z:
	@mkdir -p $@
