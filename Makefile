# nibble: `make run` and `make test` are all a new machine needs; `make help` lists the rest.
MAKEFLAGS += --no-builtin-rules
SHELL := /bin/sh

VERSION := 0.1.0
CONF    ?= release
B       := $(if $(filter release,$(CONF)),build,build/$(CONF))
PREFIX  ?= /usr/local
CC      := $(if $(filter default,$(origin CC)),gcc,$(CC))
V       ?= 0
Q       := $(if $(filter 0,$(V)),@,)
ARCH    := $(shell $(CC) -dumpmachine 2>/dev/null | cut -d- -f1)
IS_CLANG := $(shell $(CC) --version 2>/dev/null | grep -c clang)

# --- flags -------------------------------------------------------------------------------------
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef -Wcast-qual \
        -Wwrite-strings -Wformat=2 -Wnull-dereference -Wconversion -Wno-sign-conversion -Werror=implicit-function-declaration
STD  := -std=c11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -D_XOPEN_SOURCE_EXTENDED
SAFE := -fstack-protector-strong -fno-strict-aliasing -ffp-contract=off -fPIE
LDSAFE := -pie -Wl,-z,relro,-z,now,-z,noexecstack,-z,separate-code
ifeq ($(IS_CLANG),0)
SAFE += -fstack-clash-protection -ftrivial-auto-var-init=zero
endif
ifeq ($(ARCH),x86_64)
SAFE += -fcf-protection=full
endif
ifeq ($(ARCH),aarch64)
SAFE += -mbranch-protection=standard
endif
ifeq ($(SAN),)
OPT := -O2 -g
FORT := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3
else
# -g1: what reports show, functions and lines. Variables take a quarter of the time, half as many bytes again.
OPT := -O1 -g1 -fno-omit-frame-pointer -fsanitize=$(SAN) -fno-sanitize-recover=all
# Instrumented code defeats the flow analysis behind these two; the plain builds have them.
WARN += -Wno-null-dereference $(if $(filter 0,$(IS_CLANG)),-Wno-maybe-uninitialized)
FORT := -U_FORTIFY_SOURCE
LDSAN := -fsanitize=$(SAN)
endif
WERROR ?= -Werror
CFLAGS_ALL = $(STD) $(OPT) $(FORT) $(WARN) $(WERROR) $(SAFE) -I. -I$(B)/gen \
             -DNB_VERSION='"$(VERSION)"' -DNB_PREFIX='"$(PREFIX)"' $(CFLAGS)
LIBS := -lncursesw -ltinfo -lcurl -lcjson -lcrypto -lm -lpthread

# --- sources -----------------------------------------------------------------------------------
PROD := $(filter-out tui/main.c,$(wildcard kernels/*.c kernels/quant/*.c core/*/*.c core/*/*/*.c \
          downloads/*.c tui/*.c tui/*/*.c))
ifeq ($(ARCH),x86_64)
PROD += $(wildcard kernels/x86/*.c)
endif
ifeq ($(ARCH),aarch64)
PROD += $(wildcard kernels/arm/*.c)
endif
GEN   := $(B)/gen/themes_embedded.c
# What is not instrumented is that of the release: vector kernels (see skip_ below), of the workbench what
# no fuzz target reaches (md reaches most of it), and emulated instructions, whose sources are checked as
# they run on this machine.
LENT  := $(if $(filter tsan fuzz,$(CONF)),$(filter kernels/x86/%,$(PROD))) \
         $(if $(filter fuzz,$(CONF)),$(filter-out tui/canvas.c tui/widgets/%,$(filter tui/%,$(PROD))))
OBJ   := $(patsubst %.c,$(B)/obj/%.o,$(filter-out $(LENT),$(PROD))) $(LENT:%.c=build/obj/%.o) $(GEN:$(B)/gen/%.c=$(B)/obj/gen/%.o)
FUZZ  := $(sort $(filter-out main,$(basename $(notdir $(wildcard tests/fuzz/*.c)))))
HUB   := $(filter-out tests/hub/main.c,$(wildcard tests/hub/*.c))
TESTS := $(filter-out tests/check.c tests/plain.c,$(wildcard tests/*.c)) $(HUB) $(FUZZ:%=tests/fuzz/%.c)
# Kernels of levels this machine may lack, against an emulation of their instructions.
ifeq ($(ARCH),x86_64)
X86_TESTS := $(wildcard tests/x86/*.c)
endif
EMULATED := $(X86_TESTS:%.c=$(if $(SAN),build,$(B))/obj/%.o)
TOBJ  := $(TESTS:%.c=$(B)/obj/%.o) $(B)/obj/tests/check.o $(EMULATED)
POBJ  := $(TESTS:%.c=$(B)/obj/plain/%.o) $(B)/obj/plain/tests/plain.o $(EMULATED)

# An ISA is a file: the suffix selects its flags, everything else is baseline.
# -Og: optimizing emulated vectors takes longer than running them; -O1 where constants are functions to
# inline. -fno-var-tracking: following the variables of unrolled vector code for debuggers takes a third
# of its compilation, half of it with ASan.
# -ftrivial-auto-var-init=uninitialized: their arrays of vectors were cleared by rep stos for every block.
isa_flags = $(if $(filter %_sse42.c,$1),-msse4.2)$(if $(filter %_avx2.c,$1),-mavx2 -mfma -mf16c)$(if \
  $(filter %_avxvnni.c,$1),-mavx2 -mfma -mf16c -mavxvnni)$(if \
  $(filter %_avx512.c,$1),-mavx512f -mavx512bw -mavx512cd -mavx512dq -mavx512vl -mavx512vnni -mfma -mf16c)$(if \
  $(filter %_avx512vbmi.c,$1),-mavx512f -mavx512bw -mavx512cd -mavx512dq -mavx512vl -mavx512vnni -mavx512vbmi -mgfni -mfma -mf16c)$(if \
  $(filter %_avx512bf16.c,$1),-mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512bf16 -mfma -mf16c)$(if \
  $(filter %_amx.c,$1),-mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni -mavx512bf16 -mfma -mf16c -mamx-tile -mamx-int8 -mamx-bf16)$(if \
  $(filter %_crc32.c,$1),-march=armv8-a+crc)$(if \
  $(filter %_dotprod.c,$1),-march=armv8.2-a+dotprod)$(if \
  $(filter %_i8mm.c,$1),-march=armv8.2-a+dotprod+i8mm)$(if \
  $(filter tests/x86/%,$1), $(if $(filter tests/x86/dot_% tests/x86/attn_%,$1),-O1,-Og) -Wno-psabi)$(if $(filter 0,$(IS_CLANG)),$(if \
  $(filter kernels/x86/%,$1), -fno-var-tracking -ftrivial-auto-var-init=uninitialized))

# Of vector kernels, unrolled as they are, some checks make compilers take minutes: under UBSan those of
# pointers (ASan sees what they would), under TSan all (the C reference writes to the same places and is
# checked), in fuzz targets, which are about parsers, all.
conf_flags = $(if $(filter kernels/x86/%,$1),$(skip_$(CONF)))
skip_asan := -fno-sanitize=alignment,null,object-size,pointer-overflow \
             $(if $(filter 0,$(IS_CLANG)),--param asan-instrumentation-with-call-threshold=200)

.PHONY: all run test check asan tsan peers arm haswell faults lint fmt bench bench-engine bench-download bench-quantize bench-kernels soak planted coverage fuzz fuzz-long help install uninstall clean \
        dist deps test-build asan-build tsan-build fuzz-build check-headers check-layers check-binary
## all: build build/nibble
all: $(B)/nibble

$(B)/nibble: $(OBJ) $(B)/obj/tui/main.o
	@echo "  LINK  $@"
	$(Q)$(CC) $(LDSAFE) $(LDSAN) $(LDFLAGS) -o $@ $^ $(LIBS)

$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(CC) $(CFLAGS_ALL) $(call isa_flags,$<) $(call conf_flags,$<) $(if $(filter tests/%,$<),-Wno-conversion -DNB_TEST_ROOT='"$(CURDIR)"') -MMD -MP -c -o $@ $<

$(B)/obj/plain/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(call isa_flags,$<) $(call conf_flags,$<) -Wno-conversion -DNB_PLAIN -DNB_TEST_ROOT='"$(CURDIR)"' -MMD -MP -c -o $@ $<

ifneq ($(SAN),)
$(LENT:%.c=build/obj/%.o) $(EMULATED): build/obj/%.o: %.c
	@$(MAKE) --no-print-directory CONF=release SAN= CC='$(if $(findstring clang,$(CC)),gcc,$(CC))' $@
endif

$(B)/obj/gen/%.o: $(B)/gen/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

# Themes travel inside the binary: one byte array per file, name first.
$(B)/gen/themes_embedded.c: $(sort $(wildcard themes/*.theme)) Makefile
	@mkdir -p $(@D)
	$(Q)awk 'BEGIN { print "#include \"tui/theme.h\"\nconst ui_theme_file ui_theme_files[] = {" } \
	  FNR == 1 { if (NR > 1) print "    },"; n = FILENAME; sub(/.*\//, "", n); sub(/\.theme$$/, "", n); \
	    printf "    {\"%s\",\n", n } \
	  { gsub(/\\/, "\\\\"); gsub(/"/, "\\\""); printf "     \"%s\\n\"\n", $$0 } \
	  END { if (NR) print "    },"; print "    {0, 0},\n};" }' $(sort $(wildcard themes/*.theme)) /dev/null > $@.tmp && mv $@.tmp $@

# Where tests/run_child.c finds this flavour's program.
$(B)/obj/tests/run_child.o $(B)/obj/plain/tests/run_child.o $(B)/obj/tests/pull.o $(B)/obj/plain/tests/pull.o \
$(B)/obj/tests/test_pull_ends.o $(B)/obj/plain/tests/test_pull_ends.o: CFLAGS_ALL += -DNB_TEST_BUILD='"$(B)"'

# Preloaded into nibble by tests of kills and of file systems without flock.
$(B)/tests/preload.so: tests/preload/preload.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(STD) -O2 -Wall -Wextra -fPIC -shared -o $@ $< -ldl

$(B)/tests/run: $(OBJ) $(TOBJ) | $(B)/nibble $(B)/tests/preload.so
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	$(Q)$(CC) $(LDSAFE) $(LDSAN) $(LDFLAGS) -o $@ $^ $(LIBS) -lcriterion

$(B)/tests/plain: $(OBJ) $(POBJ) | $(B)/nibble $(B)/tests/preload.so
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	$(Q)$(CC) $(LDSAFE) $(LDSAN) $(LDFLAGS) -o $@ $^ $(LIBS)

# The test program with a bug planted in the copy of one file, PLANT, and an eye on leaks:
# tests/planted/run.sh. Always linked anew, as each bug is another program under the same name.
PLANT ?=
$(B)/planted/%.o: %.c FORCE
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) -Wno-error $(call isa_flags,$<) -c -o $@ $(B)/planted/src/$<

$(B)/planted/plain: $(filter-out $(PLANT:%.c=$(B)/obj/%.o),$(OBJ)) $(PLANT:%.c=$(B)/planted/%.o) $(POBJ) FORCE | $(B)/nibble $(B)/tests/preload.so
	$(Q)$(CC) $(LDSAFE) -fsanitize=leak $(LDFLAGS) -o $@ $(filter %.o,$^) $(LIBS)

FORCE:

# The workbench on a pty: build/tests/pty [ROW]
PTY := $(patsubst %.c,$(B)/obj/%.o,$(wildcard tests/pty/*.c))
PTY_HUB := $(HUB:%.c=$(B)/obj/plain/%.o) $(addprefix $(B)/obj/plain/tests/,hub_shelf.o test_tiny.o tree.o hash.o util.o)
$(PTY): CFLAGS_ALL += -DNB_PLAIN -DNB_TEST_BUILD='"$(B)"'
$(B)/tests/pty: $(PTY) $(PTY_HUB) $(OBJ) | $(B)/nibble
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	$(Q)$(CC) $(LDSAFE) $(LDSAN) $(LDFLAGS) -o $@ $(PTY) $(PTY_HUB) $(OBJ) $(LIBS) -lutil
-include $(PTY:.o=.d)

# A Hugging Face Hub on loopback, for other clients and hand trials: build/tests/fake_hub --demo
FAKE_HUB := $(HUB:%.c=$(B)/obj/%.o) $(B)/obj/tests/hub/main.o
$(B)/tests/fake_hub: $(FAKE_HUB) $(OBJ)
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	$(Q)$(CC) $(LDSAFE) $(LDSAN) $(LDFLAGS) -o $@ $^ $(LIBS)
-include $(B)/obj/tests/hub/main.d

# One GET for servers that are not ours: tests/peers/tls.sh
$(B)/tests/net_get: $(B)/obj/tests/peers/net_get.o $(OBJ)
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	$(Q)$(CC) $(LDSAFE) $(LDSAN) $(LDFLAGS) -o $@ $^ $(LIBS)
-include $(B)/obj/tests/peers/net_get.d

# A tiny model of every architecture and its logits: tests/peers/archs.mjs
$(B)/obj/tests/peers/archs.o: CFLAGS_ALL += -DNB_PLAIN
$(B)/tests/archs: $(B)/obj/tests/peers/archs.o $(addprefix $(B)/obj/plain/tests/,arch_rows.o test_tiny.o util.o) $(OBJ)
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	$(Q)$(CC) $(LDSAFE) $(LDSAN) $(LDFLAGS) -o $@ $^ $(LIBS)
-include $(B)/obj/tests/peers/archs.d

# The kernels alone, without any library, for machines reached through qemu.
ARM_TESTS := plain util test_cpu test_fp test_types test_levels test_kernels test_kernels_ops test_measure test_matmul test_gemm test_guard test_pairs
$(B)/tests/kernels: $(filter $(B)/obj/kernels/%,$(OBJ)) $(ARM_TESTS:%=$(B)/obj/plain/tests/%.o) $(EMULATED)
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	$(Q)$(CC) -static $(LDFLAGS) -o $@ $^ -lm -lpthread

# Fuzz targets outside libFuzzer: build/tests/replay [TARGET [FILE]...]
$(B)/tests/replay: $(OBJ) $(FUZZ:%=$(B)/obj/tests/fuzz/%.o) $(B)/obj/tests/replay.o $(B)/obj/tests/util.o $(B)/obj/tests/fuzz/main.o
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	$(Q)$(CC) $(LDSAFE) $(LDSAN) $(LDFLAGS) -o $@ $^ $(LIBS)

# Download speed beside curl, disk and SHA-256: build/tests/download [MIB] [ROUNDS]
DOWNLOAD := $(HUB:%.c=$(B)/obj/%.o) $(B)/obj/tests/bench/download.o $(B)/obj/tests/util.o
$(B)/obj/tests/bench/download.o: CFLAGS_ALL += -DNB_TEST_BUILD='"$(B)"'
$(B)/tests/download: $(DOWNLOAD) $(OBJ) | $(B)/nibble
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	$(Q)$(CC) $(LDSAFE) $(LDSAN) $(LDFLAGS) -o $@ $^ $(LIBS)
-include $(B)/obj/tests/bench/download.d

# Quantizing beside the I/O limit and a peer: build/tests/quantize [-t THREADS] [-r ROUNDS] MODEL [PRESET...] [--json]
$(B)/tests/quantize: $(B)/obj/tests/bench/quantize.o $(OBJ)
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	$(Q)$(CC) $(LDSAFE) $(LDSAN) -Wl,--wrap=nb_figures_add,--wrap=nb_figures_flush $(LDFLAGS) -o $@ $^ $(LIBS)
-include $(B)/obj/tests/bench/quantize.d

# Prompts and answers beside other engines: build/tests/engine [-t THREADS] [-r ROUNDS] MODEL... [--json]
$(B)/obj/tests/bench/engine.o: CFLAGS_ALL += -DNB_TEST_BUILD='"$(abspath $(B))"'
$(B)/tests/engine: $(B)/obj/tests/bench/engine.o $(OBJ) | $(B)/nibble
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	$(Q)$(CC) $(LDSAFE) $(LDSAN) $(LDFLAGS) -o $@ $^ $(LIBS)
-include $(B)/obj/tests/bench/engine.d

# Decode products beside what was kept for this CPU: build/tests/bench_kernels [--keep] FOLDER
$(B)/tests/bench_kernels: $(B)/obj/tests/bench/kernels.o $(OBJ)
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	$(Q)$(CC) $(LDSAFE) $(LDSAN) $(LDFLAGS) -o $@ $^ $(LIBS)
-include $(B)/obj/tests/bench/kernels.d

# Fault injection: the linker sends these calls through tests/faults/wrap.c (reliability A11, A13).
comma := ,
WRAPPED := malloc calloc realloc strdup aligned_alloc posix_memalign mmap mmap64 pthread_create open \
           open64 read __read_chk write pread pread64 pwrite pwrite64 fsync fdatasync fallocate fallocate64 \
           posix_fallocate posix_fallocate64 ftruncate ftruncate64 sync_file_range rename close eventfd pipe getentropy \
           openat openat64 mkdirat symlinkat renameat
FAULTS  := $(patsubst %.c,$(B)/obj/%.o,$(wildcard tests/faults/*.c))
$(B)/tests/faults: $(OBJ) $(FAULTS) $(B)/obj/tests/util.o $(B)/obj/tests/pty/vt.o $(B)/obj/tests/tree.o $(B)/obj/tests/hash.o $(HUB:%.c=$(B)/obj/%.o)
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	$(Q)$(CC) $(LDSAFE) $(LDSAN) $(LDFLAGS) $(WRAPPED:%=-Wl$(comma)--wrap=%) -o $@ $^ $(LIBS) -lutil
-include $(FAULTS:.o=.d)

# The same files with libFuzzer's entry point; only meant for CONF=fuzz (see the target fuzz).
$(B)/obj/libfuzzer/%.o: tests/fuzz/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) -Wno-conversion -DNB_FUZZ -DNB_TEST_ROOT='"$(CURDIR)"' -MMD -MP -c -o $@ $<

$(B)/target_%: $(B)/obj/libfuzzer/%.o $(OBJ) $(B)/obj/tests/util.o
	@echo "  LINK  $@"
	$(Q)$(CC) $(LDSAFE) -fsanitize=fuzzer,$(SAN) $(LDFLAGS) -o $@ $^ $(LIBS)
.PRECIOUS: $(B)/obj/libfuzzer/%.o $(B)/target_%

-include $(FUZZ:%=$(B)/obj/libfuzzer/%.d) $(OBJ:.o=.d) $(TOBJ:.o=.d) $(POBJ:.o=.d) $(B)/obj/tui/main.d

## run: install what is missing, build, open the workbench on the demo model
run: deps
	@$(MAKE) --no-print-directory -j2 all
	$(B)/nibble demo

## test: install what is missing, build, run all quick tests
test: test-build
	$(B)/tests/run --timeout 120 -j2
	$(B)/tests/pty
	$(B)/tests/faults --points $(FAULT_POINTS)
	sh tests/pty/tmux.sh $(B)/nibble

test-build: deps
	@$(MAKE) --no-print-directory -j2 $(B)/nibble $(B)/tests/run $(B)/tests/pty $(B)/tests/faults $(B)/tests/fake_hub

# Asks the package manager only when a header or the test library is missing.
deps:
	@sh .ci/deps.sh build

## check: what a commit should pass: tests, sanitizers, lint
check: test asan tsan faults lint

## asan: the whole suite under AddressSanitizer and UBSan
# By tests/plain.c, a process for each suite: Criterion starts one for every test, which costs more than
# most tests, and does not look at what a process says when it ends: of leaks, say. Reports of the
# programs that tests start lie beside.
# The longest suites first; three at a time, since many wait for a server or a program of theirs.
ASAN_FIRST := plain screens remote_eval kernels tok_pre base_file forward archs header
asan: export ASAN_OPTIONS := handle_segv=0:handle_sigbus=0:handle_abort=0:handle_sigfpe=0:allocator_may_return_null=1:log_path=$(CURDIR)/build/asan/report
asan: asan-build
	@rm -f build/asan/report.*
	@{ printf '%s\n' $(ASAN_FIRST); build/asan/tests/plain --suites; } | awk '!seen[$$0]++' | \
	  xargs -n 1 -P 3 sh tests/suite.sh build/asan/tests/plain || \
	  { cat build/asan/report.* 2>/dev/null; exit 1; }
	build/asan/tests/pty A30
	@if grep -lE 'ERROR:|runtime error:' build/asan/report.* 2>/dev/null; then cat build/asan/report.*; exit 1; fi

ASAN_BUILD := CONF=asan SAN=address,undefined,float-cast-overflow
asan-build: deps
	@$(MAKE) --no-print-directory -j2 $(ASAN_BUILD) build/asan/nibble build/asan/tests/plain build/asan/tests/pty build/asan/tests/faults

FAULT_POINTS ?= 300
## faults: make single allocations and system calls fail, under ASan and LeakSanitizer
faults: deps
	@$(MAKE) --no-print-directory -j2 $(ASAN_BUILD) build/asan/tests/faults
	ASAN_OPTIONS=allocator_may_return_null=1 build/asan/tests/faults --points $(FAULT_POINTS)

# Suites and tests that start threads; Criterion cannot start under TSan (reliability.md 2), the
# plain main can. Of kernels, output, forward and quantize only those about threads: the rest is one
# thread's sums, and all of it takes a quarter of an hour (TSAN_SUITES="kernels output forward quantize").
TSAN_SUITES ?= nb pool sched job file kernels/matmul_has_the_same_bits_for_any_threads_and_columns \
  kernels/matmul_many_equals_each_matmul chat fake_server fake_faults \
  output/a_pause_holds_every_thread output/cancel_leaves_nothing \
  forward/any_thread_count_gives_the_same_bits_A24 forward/a_cancelled_prompt_leaves_a_usable_session \
  forward/a_model_changed_under_us_is_an_error_A19 quantize/threads_change_neither_bytes_nor_figures \
  resume/any_number_of_threads_goes_on_alike methods/one_scale_for_a_tensor_is_the_same_for_any_threads \
  imatrix_write/collecting_gives_the_same_bits_for_any_threads kld/the_bits_do_not_depend_on_threads \
  several/cancel_stops_all_within_a_token solve/threads_change_no_damage grid/any_thread_may_be_first
# One at a time: these count what a server sent while a program took its time.
TSAN_ALONE ?= net net_retry net_safety $(NET_STREAMS:%=net_stream/%) $(TRANSFERS:%=transfer/%) $(QUEUES:%=queue/%) $(REMOTES)
# The other streams' tests hold a slowed server to the second.
NET_STREAMS := brings_the_bytes_that_were_asked each_end_is_told_once_with_its_cause \
  stops_when_asked_and_when_the_sink_has_enough timers_run_in_their_order streams_start_from_callbacks
# Of downloads, what two threads and the network work on at once.
TRANSFERS := round_trip_hub_1 drops_cost_nothing_hub_3 the_second_run_asks_only_what_is_missing_hub_4 \
  a_byte_flipped_on_disk_costs_its_segment_hub_6a a_byte_flipped_once_is_found_and_replaced_hub_6b \
  always_wrong_bytes_never_land_hub_6c an_expired_address_is_asked_anew_once_hub_14
QUEUES := two_files_share_four_connections pause_answers_at_once_and_goes_on_hub_18 \
  cancel_can_delete_what_came_hub_18 order_is_the_users survives_quit_and_crash_A15 \
  a_gated_repository_stops_with_one_request_hub_20
# A thread asks, the network answers; panes and a rate limit share one program.
REMOTES := remote remote_faults/cancel_answers_within_200_ms remote_faults/a_busy_server_is_asked_again \
  remote_faults/a_rate_limit_holds_up_only_its_endpoint remote_screen/local_and_remote_stand_side_by_side
# Libraries are not instrumented: what they lock among themselves is not seen (libcrypto's counts).
tsan_suites = $(sort $(foreach t,$(TSAN_SUITES) $(TSAN_ALONE),$(firstword $(subst /, ,$t))))
empty :=
# Files with one of these suites, and those without any, which serve others.
tsan_files = $(shell grep -lE 'CHECK_TEST.($(subst $(empty) $(empty),|,$(tsan_suites))),' $(TESTS)) \
  $(shell grep -LE '^CHECK_TEST.' $(TESTS)) tests/plain.c
TSAN_RULES := halt_on_error=1:allocator_may_return_null=1:ignore_noninstrumented_modules=1
tsan_run = TSAN_OPTIONS=$(TSAN_RULES) xargs -n 1 -P $1 sh tests/suite.sh build/tsan/tests/threads
$(B)/tests/threads: $(OBJ) $(tsan_files:%.c=$(B)/obj/plain/%.o) $(EMULATED) | $(B)/nibble $(B)/tests/preload.so
	@echo "  LINK  $@"
	$(Q)$(CC) $(LDSAFE) $(LDSAN) $(LDFLAGS) -o $@ $^ $(LIBS)
## tsan: threaded suites under ThreadSanitizer, two at a time
tsan: tsan-build
	@printf '%s\n' $(TSAN_SUITES) | $(call tsan_run,2)
	@printf '%s\n' $(TSAN_ALONE) | $(call tsan_run,1)

tsan-build: deps
	@$(MAKE) --no-print-directory -j2 CONF=tsan SAN=thread build/tsan/tests/threads

## peers: llama.cpp's and Hugging Face's packages on what nibble writes and reads (node, npm)
peers: all
	@$(MAKE) --no-print-directory -j2 $(B)/tests/archs $(B)/tests/fake_hub
	sh tests/peers/run.sh

ARM_CC ?= aarch64-linux-gnu-gcc
# NEON, dot products, i8mm. Returns are signed (see SAFE): the architecture's own cipher is slow in qemu, so
# max takes qemu's.
ARM_CPUS := cortex-a53 neoverse-n1 max,pauth-impdef=on
## arm: kernel tests for arm64 under qemu: without dot products, with them, and with i8mm
arm:
	@command -v $(ARM_CC) qemu-aarch64 >/dev/null || { \
	  echo "arm: needs Debian's gcc-aarch64-linux-gnu and qemu-user"; exit 1; }
	@$(MAKE) --no-print-directory -j2 CONF=arm CC='$(ARM_CC)' build/arm/tests/kernels
	@set -e; for cpu in $(ARM_CPUS); do echo "arm: $$cpu"; qemu-aarch64 -cpu $$cpu build/arm/tests/kernels; done

## haswell: the program under qemu on CPUs without AVX-512 and without AVX
haswell: all
	sh tests/x86/haswell.sh $(B)/nibble

FUZZ_CC   ?= clang
FUZZ_TIME ?= 60
FUZZ_SAN  := address,undefined,float-cast-overflow,fuzzer-no-link
## fuzz: every tests/fuzz target under libFuzzer, FUZZ_TIME=60 seconds each, two at a time
fuzz: fuzz-build
	@printf '%s\n' $(FUZZ) | xargs -P 2 -n 1 sh tests/fuzz/run.sh $(FUZZ_TIME)

fuzz-build:
	@sh .ci/deps.sh fuzz
	@$(MAKE) --no-print-directory -j2 CONF=fuzz CC='$(FUZZ_CC)' SAN=$(FUZZ_SAN) $(FUZZ:%=build/fuzz/target_%)

## fuzz-long: the same for an hour each
fuzz-long:
	@$(MAKE) --no-print-directory fuzz FUZZ_TIME=3600

## coverage: what the parsers' tests reach of them (gcov), a table
coverage: deps
	@$(MAKE) --no-print-directory -j2 CONF=gcov CFLAGS='--coverage -O0' LDFLAGS=--coverage FORT=-U_FORTIFY_SOURCE \
	  WERROR= build/gcov/tests/plain build/gcov/tests/faults
	@sh .ci/coverage.sh

HDRS := $(wildcard kernels/*.h kernels/*/*.h core/*/*.h downloads/*.h tui/*.h tui/*/*.h tests/*.h tests/hub/*.h tests/x86/*.h)
check-headers: $(GEN)
	@for h in $(HDRS); do $(CC) $(STD) $(WARN) -Wno-conversion -I. -I$(B)/gen -DNB_VERSION='""' -fsyntax-only -x c $$h \
	  || { echo "$$h does not compile alone"; exit 1; }; done; echo "headers: each compiles alone"

check-layers:
	@sh .ci/layers.sh

check-binary: $(B)/nibble
	@sh .ci/binary.sh $(B)

## lint: format, sizes, layers, headers, clang-tidy, cppcheck, the binary's hardening
lint:
	@sh .ci/deps.sh lint
	@sh .ci/lint.sh
	@$(MAKE) --no-print-directory check-headers check-layers check-binary

## fmt: format every source file
fmt:
	clang-format -i $(shell git ls-files '*.c' '*.h')

## bench: speeds of this build on the demo and a 1.1b shape
bench: all
	$(B)/nibble bench demo
	@$(MAKE) --no-print-directory bench-engine
	@$(MAKE) --no-print-directory bench-download

BENCH_SHAPES ?= llama-1.1b
BENCH_ENGINE_TYPES ?= Q4_K_M Q8_0 F16
## bench-engine: prompts and answers beside other engines, LLAMA_BENCH=path[:path] IK_BENCH=path; BENCH_SHAPES, BENCH_ENGINE_TYPES
bench-engine: all
	@$(MAKE) --no-print-directory -j2 $(B)/tests/engine
	for s in $(BENCH_SHAPES); do for t in $(BENCH_ENGINE_TYPES); do \
	  $(B)/nibble synth $$s -t $$t -o build/$$s-$$t.gguf --force || exit 1; \
	  $(B)/tests/engine build/$$s-$$t.gguf $(if $(JSON),--json) || exit 1; rm -f build/$$s-$$t.gguf; done; done

## bench-download: pull of 1 GiB from loopback beside curl, disk and SHA-256
bench-download: all
	@$(MAKE) --no-print-directory -j2 $(B)/tests/download
	$(B)/tests/download

BENCH_TYPES ?=
## bench-quantize: presets beside the I/O limit, telemetry's cost, LLAMA_QUANTIZE=path; BENCH_TYPES="Q4_K_M Q8_0", JSON=1
bench-quantize: all
	@$(MAKE) --no-print-directory -j2 $(B)/tests/quantize
	$(B)/nibble synth llama-1.1b -t F16 -o build/llama-1.1b-F16.gguf --force
	cd build && $(abspath $(B)/tests/quantize) llama-1.1b-F16.gguf $(BENCH_TYPES) $(if $(JSON),--json)

BENCH_KEPT ?= .bench
## bench-kernels: is a kernel slower than the medians kept in BENCH_KEPT=.bench for this CPU? KEEP=1 keeps the new ones
bench-kernels:
	@$(MAKE) --no-print-directory -j2 $(B)/tests/bench_kernels
	$(B)/tests/bench_kernels $(if $(KEEP),--keep) '$(BENCH_KEPT)'

## soak: the long forms of the tests, outside CI
soak: deps
	@$(MAKE) --no-print-directory -j2 $(B)/nibble $(B)/tests/run $(B)/tests/pty $(B)/tests/faults $(B)/tests/fake_hub
	NB_TEST_STRICT=1 NB_TEST_LONG=1 NB_TEST_PPL=all NB_TEST_PRESETS=all $(B)/tests/run --timeout 3600 -j2
	NB_TEST_STRICT=1 NB_TEST_LONG=1 $(B)/tests/pty
	$(B)/tests/faults --all

## planted: plants bugs one at a time; the tests must see each (reliability A35)
planted:
	@$(MAKE) --no-print-directory -j2 $(B)/tests/plain
	@sh tests/planted/run.sh $(B)

## install: binary, man page, completion, themes and demo model (PREFIX, DESTDIR)
install: all
	install -d '$(DESTDIR)$(PREFIX)/bin' '$(DESTDIR)$(PREFIX)/share/man/man1' '$(DESTDIR)$(PREFIX)/share/nibble/themes' \
	  '$(DESTDIR)$(PREFIX)/share/nibble/demo' '$(DESTDIR)$(PREFIX)/share/bash-completion/completions' \
	  '$(DESTDIR)$(PREFIX)/share/zsh/site-functions' '$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d'
	install -m 755 $(B)/nibble '$(DESTDIR)$(PREFIX)/bin/nibble'
	install -m 644 themes/*.theme '$(DESTDIR)$(PREFIX)/share/nibble/themes/'
	install -m 644 tests/data/nibble-demo/* '$(DESTDIR)$(PREFIX)/share/nibble/demo/'
	$(B)/nibble completion man > '$(DESTDIR)$(PREFIX)/share/man/man1/nibble.1'
	$(B)/nibble completion bash > '$(DESTDIR)$(PREFIX)/share/bash-completion/completions/nibble'
	$(B)/nibble completion zsh > '$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_nibble'
	$(B)/nibble completion fish > '$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/nibble.fish'

## uninstall: what install wrote
uninstall:
	rm -f '$(DESTDIR)$(PREFIX)/bin/nibble' '$(DESTDIR)$(PREFIX)/share/man/man1/nibble.1' \
	  '$(DESTDIR)$(PREFIX)/share/bash-completion/completions/nibble' \
	  '$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_nibble' \
	  '$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/nibble.fish'
	rm -rf '$(DESTDIR)$(PREFIX)/share/nibble'

## dist: a source archive of HEAD
dist:
	git archive --prefix=nibble-$(VERSION)/ -o nibble-$(VERSION).tar.gz HEAD

## clean: remove build output
clean:
	rm -rf build

## help: this list
help:
	@sed -n 's/^## /  make /p' Makefile
