# Makefile - the build. "make help" lists the targets; config.mk has what can be chosen.
#
# Every way of building (compiler, libc, sanitizer) is a variant with a folder of its own, build/VARIANT/, so objects of
# two variants never mix. The applet list only matters to the dispatcher and the link: those live in
# build/VARIANT/link/LIST/, everything else is shared. The libraries' sources are in build/deps/src, compiled per
# variant into build/deps/VARIANT.

include config.mk

empty =
space = $(empty) $(empty)

# ARCH=arm64: Debian's cross compiler
cross_arm64 = aarch64-linux-gnu-
cross = $(cross_$(ARCH))
ifneq ($(ARCH),)
ifeq ($(cross),)
$(error ARCH: only arm64 is known, by its cross compiler; CC= names any other)
endif
endif

ifeq ($(origin CC),default)
CC = $(cross)gcc
endif
ifneq ($(FUZZ),)
CC = clang
endif
ifeq ($(MAKELEVEL)$(filter -j%,$(MAKEFLAGS)),0)
MAKEFLAGS += -j$(shell nproc 2>/dev/null || echo 2)
endif
.DELETE_ON_ERROR:
.SUFFIXES:
.SECONDARY:

# BUILD=DIR builds elsewhere, beside another build of the same tree; the libraries stay shared.
BUILD ?= build
DEPS ?= build/deps
export BUILD DEPS DEPS_SRC

KIND = $(if $(FUZZ),fuzz,$(if $(SAN),san,$(if $(COV),cov,release)))
cc_name = $(notdir $(firstword $(CC)))
VARIANT = $(KIND)-$(cc_name)
V = $(BUILD)/$(VARIANT)
# what differs where parts are left out has a folder of its own in there; all other objects are shared
W = $(V)$(if $(strip $(WITHOUT)),/without/$(subst $(space),+,$(strip $(WITHOUT))))
OUTPUT = $(BUILD)/$(if $(ARCH),$(ARCH)/)$(if $(filter release,$(KIND)),,$(KIND)/)relaybox

# Folders of core that are built; a part can be built and unit-tested alone: make unit CORE_DIRS="base msg"
CORE_DIRS = $(filter-out deps,$(patsubst core/%/,%,$(wildcard core/*/ core/*/*/)))

# Parts that may be left out: their files, in whose place then stand those named without_PART
parts = dkim oauth sts
dkim_files = $(wildcard core/dkim/*.c) core/deliver/smtp/smtp_sign.c applets/mapgen_dkim.c
oauth_files = $(filter-out %/source.c,$(wildcard core/oauth/*.c)) applets/relayctl_oauth.c applets/relayctl_login.c
sts_files = core/policy/sts.c core/policy/sts_file.c core/policy/tlsrpt.c core/deliver/tls_report.c core/deliver/smtp/smtp_report.c
ifneq ($(filter-out $(parts),$(WITHOUT)),)
$(error WITHOUT: $(filter-out $(parts),$(WITHOUT)): only $(parts) can be left out)
endif
stubs = $(foreach p,$(parts),%/without_$(p).c)
present = $(filter-out $(stubs) $(foreach p,$(WITHOUT),$($(p)_files)),$(1))
in_place = $(filter $(foreach p,$(WITHOUT),%/without_$(p).c),$(1))

.PHONY: all help
all: $(OUTPUT)

help:
	@sed -n 's/^#: //p' Makefile

#: make                  build/relaybox: static, stripped (build/relaybox.debug: with symbols)
#: make CC=clang         the same with clang
#: make SAN=1            build/san/relaybox: with ASan and UBSan, against glibc (either compiler)
#: make ARCH=arm64       build/arm64/relaybox, with Debian's cross compiler; image and check-arm64, too
#: make APPLETS="a b"    only these applets
#: make WITHOUT="dkim"   leave parts out: dkim, oauth, sts (config.mk)
#: make demo             build it and show it at work
#: make check            build it and prove it right; also with clang, ASan and UBSan
#: make check SAN=1      only the sanitizer half
#: make unit             the unit tests only (TESTS="base_text msg_addr" for some, CORE_DIRS="base msg" for a part of core)
#: make fuzz             run every fuzz target for FUZZ_SECONDS (60)
#: make lint-deep        what gcc -fanalyzer, clang-tidy and cppcheck find (minutes)
#: make check-arm64      some of the tests with the binary for arm64, emulated
#: make golden           ask the Postfix of this system anew what the differential table's rows come to (needs root)
#: make torture          kill -9, power cuts and injected faults, at length
#: make mutants          plants small faults and tells which no test notices (ROOMS="base msg" COUNT=50 SEED=2 SECONDS=600)
#: make coverage         how many lines of core the unit tests and the corpus reach
#: make bench            measure it beside its peers (tests/bench/run --help: some rows; --beside: two binaries in turn)
#: make install          into PREFIX (/usr/local), under DESTDIR
#: make image            build/image/: a container image with nothing else in it, for docker load and its like
#: make deps             get and build the libraries only (DEPS_SRC=DIR: from tarballs there, without network)
#: make clean            remove what was built, but for the libraries
#: make distclean        remove build/

# --- what the compiler can do -------------------------------------------------------------------------------------
# Build needs come first, at every start: build/ may have been carried to a machine that lacks the compiler. An included
# file that is missing is made and make starts over; its name has the compiler's version, so that a new one is asked anew.

quick_goals = help clean distclean
ifneq ($(filter-out $(quick_goals),$(or $(MAKECMDGOALS),all)),)
ifneq ($(shell core/deps/needs '$(CC)' $(KIND) >&2 && echo ok),ok)
$(error the build needs of $(VARIANT) are not met)
endif
toolchain = $(V)/toolchain-$(shell $(CC) -dumpversion).mk
include $(toolchain)
endif

$(V)/toolchain-%.mk: core/deps/toolchain
	@mkdir -p $(@D)
	@core/deps/toolchain '$(CC)' > $@

# --- flags ----------------------------------------------------------------------------------------------------------

WARN = -Wall -Wextra -Werror -Wshadow -Wformat=2 -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wwrite-strings \
	-Wpointer-arith -Wundef -Wno-unused-parameter $($(KIND)_WARN)
# A packet of the helper's protocol and what stands beside it; the sanitizers' frames are larger by their own padding. Text that
# snprintf cuts at its bound is meant to be cut.
release_WARN = $(if $(filter tests/%,$<),,-Wframe-larger-than=32768) $(if $(findstring clang,$(cc_name)),,-Wno-format-truncation)
# Without optimisation gcc cannot see what is always set.
cov_WARN = -Wno-maybe-uninitialized
LANG_FLAGS = -std=c11 -D_GNU_SOURCE -DRELAYBOX_VERSION='"$(VERSION)"' -I.
SECTIONS = -ffunction-sections -fdata-sections $(DENSE)
# Paths in the binary must not depend on where it was built.
REPRODUCIBLE = -ffile-prefix-map=$(CURDIR)=.

# clang's -O2 inlines more than the binary's budget has room for.
SPEED = $(if $(findstring clang,$(cc_name)),-Os,-O2)
# Without -fno-builtin-snprintf gcc turns snprintf into strcpy where it can, and the check for banned symbols cannot tell.
release_OPT = $(SPEED) -g -fPIE -fno-builtin-snprintf -fno-asynchronous-unwind-tables -fno-unwind-tables $(HARDEN)
san_SANITIZE = -fsanitize=address,undefined -fno-sanitize-recover=undefined
san_OPT = -O1 -g -fno-omit-frame-pointer -fPIE $(san_SANITIZE)
fuzz_OPT = -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined
cov_OPT = -O0 -g -fPIE --coverage
# The libraries are not ours to make warning-free or UBSan-clean; libs.mk says which are compiled for speed.
release_LIB = -fPIE -fno-asynchronous-unwind-tables -fno-unwind-tables $(HARDEN)
san_LIB = -g -fPIE -fsanitize=address
fuzz_LIB = -g -fsanitize=fuzzer-no-link,address
cov_LIB = -g -fPIE

HARDEN_LINK = -Wl,-z,relro,-z,now,-z,noexecstack,-z,separate-code -Wl,--gc-sections -Wl,--build-id=none
san_LINK = -pie $(san_SANITIZE) -Wl,--gc-sections
fuzz_LINK = -fsanitize=address,undefined
cov_LINK = -pie --coverage

ifneq ($(filter release,$(KIND)),)
ifeq ($(LIBC),musl-beside)
LIBC_INC = $(MUSL_INC) -idirafter $(DEPS)/$(KERNEL)
release_LINK = -static-pie -nostdlib -L$(MUSL_LIB) $(HARDEN_LINK) $(PACK_LINK) $(OWN_LINK) $(MUSL_START)
LINK_END = $(MUSL_END)
else
release_LINK = -static-pie $(HARDEN_LINK)
endif
endif

# Alpine has static libraries of its own; given tarballs, ours are compiled there too.
ifeq ($(LIBC)$(DEPS_SRC),musl-native)
LIBS = -lmbedtls -lmbedx509 -lmbedcrypto -lcdb -lz
else
LIBS = $(D)/libmbed.a $(D)/libcdb.a $(D)/libz.a
LIB_INC = -isystem $(DEPS)/include
deps_ready = $(D)/.built
endif

CFLAGS = $($(KIND)_OPT)
# The binary has a budget (tests/lint/binary): only what every message passes through is compiled for speed.
HOT = $(addprefix core/,base/% map/pattern_run.c smtp/% store/% schedule/% net/loop.c net/conn.c net/conn_tls.c net/tls_memory.c net/tls_exp_mod.c net/tls_ifma.c net/tls_sha256.c net/tls_x25519.c net/tls_p256.c msg/crlf.c msg/header.c msg/envelope.c \
	msg/addr.c msg/addr_list.c msg/reply.c msg/received.c msg/date.c map/cdb.c map/cdb_build.c daemon/session.c \
	cleanup/% deliver/smtp/smtp_session.c deliver/smtp/smtp_try.c deliver/smtp/smtp_pool.c \
	deliver/delivery_log.c)
# of these, what no message passes through, or what only waits for the kernel
COLD = $(addprefix core/,base/env.c base/fs.c base/fs_table.c base/fs_whole.c base/ipaddr.c base/ipaddr_public.c base/json_read.c base/landlock.c base/log_mask.c \
	base/log_open.c base/log_repeat.c base/log_sink.c base/memory_start.c base/memory_system.c base/metric.c base/opt.c \
	base/pool.c base/random.c base/rights.c base/row.c base/saver.c base/seccomp.c base/signals.c base/term.c \
	base/visible.c \
	cleanup/act.c cleanup/checks.c cleanup/copies.c cleanup/forward.c cleanup/inspect.c cleanup/notice.c \
	cleanup/queries.c \
	schedule/schedule_control.c schedule/schedule_drain.c \
	smtp/client_session.c smtp/path_repair.c smtp/sasl.c smtp/server_auth.c smtp/token.c \
	store/compact.c store/maildrop.c store/recover.c store/recover_apply.c store/recover_big.c store/recover_scan.c)
for_size = $(if $(filter release,$(KIND)),$(if $(filter-out $(COLD),$(filter $(HOT),$<)),,$(FOR_SIZE)))
ALL_CFLAGS = $(LIBC_INC) $(LANG_FLAGS) $(WARN) $(SECTIONS) $(REPRODUCIBLE) $(LIB_INC) $(CFLAGS)
LINK = $(CC) $($(KIND)_LINK)

# Written aside and renamed: another make in the same folder never sees half an object.
compile = @mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) $(for_size) -MMD -MP -MF $@.$$$$.d -MT $@ -c -o $@.$$$$ $< && \
	mv -f $@.$$$$.d $(@:.o=.d) && mv -f $@.$$$$ $@ || { rm -f $@.$$$$ $@.$$$$.d; exit 1; }
link = @mkdir -p $(@D) && $(LINK) -o $@.$$$$ $(or $(2),$(filter %.o,$^)) $(1) -Wl,--start-group $(filter %.a,$^) $(LIBS) -Wl,--end-group $(LINK_END) && mv -f $@.$$$$ $@ || \
	{ rm -f $@.$$$$; exit 1; }

# --- the libraries ----------------------------------------------------------------------------------------------------

D = $(DEPS)/$(VARIANT)
.PHONY: deps
deps: $(deps_ready)

# Compared by content, not by age: build/ may be carried to a fresh clone. One make at a time: it is shared by variants.
lib_config = $(DEPS)/include/mbedtls/mbedtls_config.h
$(lib_config): FORCE
	@mkdir -p $(DEPS)
	@flock $(DEPS)/.lock sh -c 'core/deps/fetch && core/deps/headers $(KERNEL_ASM) $(KERNEL)'

lib_flags = $(LIBC_INC) -w $(SECTIONS) $(REPRODUCIBLE) $($(KIND)_LIB)
$(D)/.flags: core/deps/libs.mk FORCE
	@mkdir -p $(@D)
	@{ echo '$(filter-out $(REPRODUCIBLE),$(lib_flags)) $(FOR_SIZE)'; cat $<; } > $@.$$$$; \
		if cmp -s $@.$$$$ $@; then rm $@.$$$$; else mv $@.$$$$ $@; fi

$(D)/.built: $(lib_config) $(D)/.flags
	@echo "deps: compiling for $(VARIANT)"
	@+flock $(D)/.lock $(MAKE) --no-print-directory -f core/deps/libs.mk CC='$(CC)' FOR_SIZE='$(or $(FOR_SIZE),-Os)' OUT=$(D) \
		SRC=$(DEPS)/src INC=$(DEPS)/include FLAGS=$(D)/.flags CFLAGS='$(lib_flags)'

# --- core -------------------------------------------------------------------------------------------------------------

core_all = $(sort $(foreach d,$(CORE_DIRS),$(wildcard core/$(d)/*.c)))
core_src = $(filter-out core/conf/without.c,$(call present,$(core_all)))
core_obj = $(core_src:%.c=$(V)/obj/%.o) $(patsubst %.c,$(W)/obj/%.o,$(filter core/conf/without.c,$(core_all)) $(call in_place,$(core_all)))
applet_obj = $(APPLETS:%=$(V)/obj/applets/%.o)
# helpers that applets share are files of applets/ that are no applet
all_applets = sendmail mail relayd relayctl mapgen mxcheck
shared_src = $(filter-out applets/relaybox.c $(all_applets:%=applets/%.c) $(APPLETS:%=applets/%.c),$(wildcard applets/*.c))
shared_obj = $(patsubst %.c,$(V)/obj/%.o,$(call present,$(shared_src))) $(patsubst %.c,$(W)/obj/%.o,$(call in_place,$(shared_src)))

$(V)/obj/%.o: %.c Makefile config.mk $(toolchain) $(deps_ready)
	$(compile)
ifneq ($(V),$(W))
$(W)/obj/%.o: %.c Makefile config.mk $(toolchain) $(deps_ready)
	$(compile)
endif
$(W)/obj/core/conf/without.o: CFLAGS += -DRELAYBOX_WITHOUT='"$(strip $(WITHOUT))"'

# rewritten only when the list of objects changes, so that a removed file leaves the archive too
$(W)/core.list: FORCE
	@mkdir -p $(@D)
	@echo '$(core_obj)' | cmp -s - $@ || echo '$(core_obj)' > $@

# tests that link core only need core; the linker takes what is used
$(W)/libcore.a: $(core_obj) $(W)/core.list
	@rm -f $@.$$$$ && $(AR) rcs $@.$$$$ $(core_obj) && mv -f $@.$$$$ $@

.PHONY: FORCE
FORCE:

# --- the binary -------------------------------------------------------------------------------------------------------

L = $(W)/link/$(subst $(space),+,$(strip $(APPLETS)))

$(L)/gen/applet_list.h: FORCE
	@mkdir -p $(@D)
	@printf 'APPLET(%s)\n' $(APPLETS) > $@.$$$$ && { cmp -s $@.$$$$ $@ && rm $@.$$$$ || mv $@.$$$$ $@; }

$(L)/relaybox.o: applets/relaybox.c $(L)/gen/applet_list.h Makefile config.mk $(toolchain) $(deps_ready)
	$(compile)
$(L)/relaybox.o: CFLAGS += -I$(L)/gen

# What a start of sendmail passes through lies together, first in each part of the binary: each page of it is a fault. The second half is
# passed through, too, but in a few places.
START = $(addprefix core/,$(addprefix base/,arena.c buf.c clock.c env.c format.c fs.c fs_guard.c fs_table.c fs_whole.c hash.c heap.c mem.c memory.c metric.c opt.c random.c str.c) \
	libc/% conf/% msg/addr.c msg/addr_repair.c msg/addr_token.c msg/crlf.c msg/header.c msg/inject.c submit/% net/conn.c net/loop.c \
	net/local_socket.c net/tls_names.c route/nexthop.c smtp/client% smtp/grammar.c policy/tls_demand.c deliver/deliver.c deliver/smtp/% \
	base/ipaddr.c base/log.c msg/downgrade.c msg/envelope.c msg/reply.c map/map.c map/words.c route/rewriting.c access/users.c smtp/content.c \
	smtp/sasl.c net/conn_tls.c net/dns.c policy/sts.c policy/tls_level.c cleanup/checks.c oauth/oauth.c oauth/state.c dkim/keys.c store/maildrop.c store/record.c \
	$(addprefix deliver/,bounce.c content.c delivery_end.c probe.c simple.c tls_report.c local/helper_client.c local/local.c))
start_obj = $(filter $(applet_obj) $(shared_obj),$(addprefix $(V)/obj/applets/,sendmail.o submission.o applet.o)) \
	$(foreach p,$(START:.c=.o),$(filter $(sort $(V)/obj/$(p) $(W)/obj/$(p)),$(core_obj)))

# the C library's part of them comes right after, before what else there is
$(L)/relaybox: $(L)/relaybox.o $(start_obj) $(applet_obj) $(shared_obj) $(W)/libcore.a
	$(call link,$(firstword $(LINK_END)) $(filter-out $(L)/relaybox.o $(start_obj),$(filter %.o,$^)),$(L)/relaybox.o $(start_obj))

# The output is a copy of the variant asked for last; the stamp says which that was.
$(OUTPUT).from: FORCE
	@mkdir -p $(@D)
	@echo '$(L)' | cmp -s - $@ || echo '$(L)' > $@

$(OUTPUT): $(L)/relaybox $(OUTPUT).from
ifeq ($(KIND),release)
	@cp -f $< $@.debug.$$$$ && $(STRIP) -s -o $@.$$$$ $< && mv -f $@.debug.$$$$ $@.debug && mv -f $@.$$$$ $@
else
	@cp -f $< $@.$$$$ && mv -f $@.$$$$ $@
endif
	@echo "$@: $$(wc -c < $@) bytes ($(VARIANT))"

STRIP = $(cross)strip
AR = $(cross)ar

# --- tests ------------------------------------------------------------------------------------------------------------

TESTS = $(patsubst tests/unit/test_%.c,%,$(wildcard tests/unit/test_*.c))
unit_bin = $(TESTS:%=$(V)/tests/test_%)
FUZZ_TARGETS = $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))

.PHONY: unit unit-build corpus-build
unit-build: $(unit_bin)
unit: unit-build
	@RELAYBOX_TESTS=$(V)/tests tests/unit/run $(TESTS)

$(V)/tests/test_%: $(V)/obj/tests/unit/test_%.o $(V)/obj/tests/unit/t.o $(W)/libcore.a
	$(call link)

# the fuzz targets over their stored corpus: a plain program each
corpus-build: $(FUZZ_TARGETS:%=$(V)/corpus/%)
$(V)/corpus/%: $(V)/obj/tests/fuzz/fuzz_%.o $(V)/obj/tests/fuzz/driver.o $(W)/libcore.a
	$(call link)

# what a handshake costs each side, without a socket: build/VARIANT/tests/handshake CERT KEY PROTOCOL COUNT
$(V)/tests/handshake: $(V)/obj/tests/bench/handshake.o $(W)/libcore.a
	$(call link)

.PHONY: check check-arm64 demo bench coverage torture fuzz fuzz-build mutants how lint-deep
check:
	@tests/setup
	@tests/run $(if $(SAN),--pass san --cc '$(CC)',$(if $(filter-out gcc,$(CC)),--pass release --cc '$(CC)'))
ifeq ($(ARCH),)
check-arm64:
	@+$(MAKE) --no-print-directory check-arm64 ARCH=arm64
else
check-arm64: $(OUTPUT)
	@tests/setup arm64
	@tests/arm64/run $(OUTPUT)
endif
demo: $(OUTPUT)
	@tests/demo/run
bench: $(OUTPUT)
	@tests/setup bench
	@tests/bench/run
ifeq ($(COV),)
coverage:
	@+$(MAKE) --no-print-directory coverage COV=1
else
coverage: unit-build corpus-build
	@tests/coverage $(V)
endif
lint-deep: $(OUTPUT)
	@tests/lint/deep
torture: $(OUTPUT)
	@tests/setup
	@tests/torture/run

golden:
	@tests/setup
	@/usr/bin/python3 tests/e2e/differential/table.py golden

export ROOMS COUNT SEED SECONDS JOBS FAULT AGAIN
mutants:
	@tests/mutants/mutants.py
# what mutants asks: how this variant compiles an object and links a program, and where both are
how:
	$(info compile=$(CC) $(ALL_CFLAGS))
	$(info link=$(LINK))
	$(info libs=$(LIBS) $(LINK_END))
	$(info objects=$(V)/obj)
	$(info tests=$(V)/tests)
	$(info main=$(L)/relaybox.o $(applet_obj) $(shared_obj))
	@:

# libFuzzer needs the variant of its own: start over with FUZZ=1
ifeq ($(FUZZ),)
fuzz:
	@+$(MAKE) --no-print-directory fuzz FUZZ=1
else
fuzz: fuzz-build
	@tests/fuzz/hunt $(FUZZ_TARGETS)
endif
fuzz-build: $(FUZZ_TARGETS:%=$(BUILD)/fuzz/%)
$(BUILD)/fuzz/%: $(V)/obj/tests/fuzz/fuzz_%.o $(W)/libcore.a
	$(call link,-fsanitize=fuzzer)

# --- image ------------------------------------------------------------------------------------------------------------

.PHONY: image
image_arch = $(or $(ARCH),$(patsubst x86_64,amd64,$(patsubst aarch64,arm64,$(MACHINE))))
image: $(OUTPUT)
	@docs/examples/image/build $(OUTPUT) $(BUILD)/image/relaybox-$(VERSION)-$(image_arch).tar $(image_arch)
	@ls -l $(BUILD)/image/relaybox-$(VERSION)-$(image_arch).tar

# --- install, clean ---------------------------------------------------------------------------------------------------

.PHONY: install uninstall clean distclean
BINDIR = $(DESTDIR)$(PREFIX)/bin
SHAREDIR = $(DESTDIR)$(PREFIX)/share
MANDIR = $(SHAREDIR)/man
# where the shells look by themselves
bash_dir = bash-completion/completions
zsh_dir = zsh/site-functions
fish_dir = fish/vendor_completions.d
# the other names of an applet, each with the page that tells of it
man_links = mailq=sendmail.1 newaliases=sendmail.1 mailx=mail.1 postmap=mapgen.1 postalias=mapgen.1 postqueue=relayctl.8 postsuper=relayctl.8 postcat=relayctl.8
install: $(OUTPUT)
	install -d $(BINDIR)
	install -m 755 $(OUTPUT) $(BINDIR)/relaybox
	cd $(BINDIR) && ./relaybox --install -s -f .
	for page in $(wildcard docs/man/*.[158]); do \
		install -d $(MANDIR)/man$${page##*.} && install -m 644 $$page $(MANDIR)/man$${page##*.}/ || exit 1; done
	for link in $(man_links); do ln -sf $${link#*=} $(MANDIR)/man$${link##*.}/$${link%=*}.$${link##*.} || exit 1; done
	install -d $(SHAREDIR)/$(bash_dir) $(SHAREDIR)/$(zsh_dir) $(SHAREDIR)/$(fish_dir)
	$(BINDIR)/relaybox --completion bash > $(SHAREDIR)/$(bash_dir)/relaybox
	$(BINDIR)/relaybox --completion zsh > $(SHAREDIR)/$(zsh_dir)/_relaybox
	$(BINDIR)/relaybox --completion fish > $(SHAREDIR)/$(fish_dir)/relaybox.fish
	for name in $$($(BINDIR)/relaybox --list); do ln -sf relaybox $(SHAREDIR)/$(bash_dir)/$$name && \
		ln -sf relaybox.fish $(SHAREDIR)/$(fish_dir)/$$name.fish || exit 1; done

# what install puts there, and nothing else: a link or page that is not ours stays
uninstall:
	test ! -x $(BINDIR)/relaybox || for name in $$($(BINDIR)/relaybox --list); do \
		if [ "$$(readlink $(BINDIR)/$$name)" = relaybox ]; then rm -f $(BINDIR)/$$name; fi; \
		if [ "$$(readlink $(SHAREDIR)/$(bash_dir)/$$name)" = relaybox ]; then rm -f $(SHAREDIR)/$(bash_dir)/$$name; fi; \
		if [ "$$(readlink $(SHAREDIR)/$(fish_dir)/$$name.fish)" = relaybox.fish ]; then rm -f $(SHAREDIR)/$(fish_dir)/$$name.fish; fi; done
	for link in $(man_links); do page=$(MANDIR)/man$${link##*.}/$${link%=*}.$${link##*.}; \
		if [ "$$(readlink $$page)" = $${link#*=} ]; then rm -f $$page; fi; done
	for page in $(wildcard docs/man/*.[158]); do rm -f $(MANDIR)/man$${page##*.}/$${page##*/}; done
	rm -f $(SHAREDIR)/$(bash_dir)/relaybox $(SHAREDIR)/$(zsh_dir)/_relaybox $(SHAREDIR)/$(fish_dir)/relaybox.fish $(BINDIR)/relaybox

clean:
	@find $(BUILD) -mindepth 1 -maxdepth 1 ! -name deps -exec rm -rf {} + 2>/dev/null || :
distclean:
	@rm -rf $(BUILD)

-include $(shell find $(sort $(V)/obj $(W)/obj $(L)) -name '*.d' 2>/dev/null)
