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
ARCH    := $(shell $(CC) -dumpmachine | cut -d- -f1)
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
OPT := -O1 -g -fno-omit-frame-pointer -fsanitize=$(SAN) -fno-sanitize-recover=all
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
OBJ   := $(PROD:%.c=$(B)/obj/%.o) $(GEN:$(B)/gen/%.c=$(B)/obj/gen/%.o)
TESTS := $(wildcard tests/test_*.c) tests/util.c
TOBJ  := $(TESTS:%.c=$(B)/obj/%.o) $(B)/obj/tests/check.o
POBJ  := $(TESTS:%.c=$(B)/obj/plain/%.o) $(B)/obj/plain/tests/plain.o
FUZZ  := $(filter-out main,$(basename $(notdir $(wildcard tests/fuzz/*.c))))

# An ISA is a file: the suffix selects its flags, everything else is baseline.
isa_flags = $(if $(filter %_avx2.c,$1),-mavx2 -mfma -mf16c)$(if \
  $(filter %_avxvnni.c,$1),-mavx2 -mfma -mf16c -mavxvnni)$(if \
  $(filter %_avx512.c,$1),-mavx512f -mavx512bw -mavx512cd -mavx512dq -mavx512vl -mavx512vnni -mfma -mf16c)$(if \
  $(filter %_amx.c,$1),-mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512bf16 -mamx-tile -mamx-int8 -mamx-bf16)$(if \
  $(filter %_dotprod.c,$1),-march=armv8.2-a+dotprod)$(if \
  $(filter %_i8mm.c,$1),-march=armv8.2-a+dotprod+i8mm)

.PHONY: all run test check asan tsan lint fuzz help install uninstall clean deps
all: $(B)/nibble

$(B)/nibble: $(OBJ) $(B)/obj/tui/main.o
	@echo "  LINK  $@"
	$(Q)$(CC) $(LDSAFE) $(LDSAN) $(LDFLAGS) -o $@ $^ $(LIBS)

$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(CC) $(CFLAGS_ALL) $(call isa_flags,$<) $(if $(filter tests/%,$<),-Wno-conversion -DNB_TEST_ROOT='"$(CURDIR)"') -MMD -MP -c -o $@ $<

$(B)/obj/plain/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) -Wno-conversion -DNB_PLAIN -DNB_TEST_ROOT='"$(CURDIR)"' -MMD -MP -c -o $@ $<

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

$(B)/tests/run: $(OBJ) $(TOBJ)
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	$(Q)$(CC) $(LDSAFE) $(LDSAN) $(LDFLAGS) -o $@ $^ $(LIBS) -lcriterion

$(B)/tests/plain: $(OBJ) $(POBJ)
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	$(Q)$(CC) $(LDSAFE) $(LDSAN) $(LDFLAGS) -o $@ $^ $(LIBS)

-include $(OBJ:.o=.d) $(TOBJ:.o=.d) $(POBJ:.o=.d) $(B)/obj/tui/main.d

## test: build, then run all quick tests
test: $(B)/nibble $(B)/tests/run
	$(B)/tests/run --timeout 120 -j2

## clean: remove build output
clean:
	rm -rf build

## help: this list
help:
	@sed -n 's/^## //p' Makefile
