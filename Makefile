# GNU make. `make` builds build/vfiorun; SAN=1 builds under ASan and UBSan in build-san/. scripts/test runs
# everything; `make fuzz SECONDS=600` fuzzes every parser of foreign bytes for ten minutes each. V=1 shows the
# commands.
VERSION := 0.1.0
PREFIX  ?= /usr/local
DESTDIR ?=
BINDIR     = $(PREFIX)/bin
MANDIR     = $(PREFIX)/share/man
BASHDIR    = $(PREFIX)/share/bash-completion/completions
ZSHDIR     = $(PREFIX)/share/zsh/site-functions
FISHDIR    = $(PREFIX)/share/fish/vendor_completions.d
EXAMPLEDIR = $(PREFIX)/share/vfiorun/profiles
UNITDIR    = $(PREFIX)/lib/systemd/system
SYSUSERSDIR = $(PREFIX)/lib/sysusers.d
UDEVDIR    = $(PREFIX)/lib/udev/rules.d

CC        ?= cc
PKGCONFIG ?= pkg-config
SAN       ?=
FUZZ      ?=
WERROR    ?=
SECONDS   ?= 20

B := build$(if $(SAN),-san)$(if $(FUZZ),-fuzz)
PACKAGES := json-c libcap-ng libevdev
say = $(if $(V),,@printf '  %-4s %s\n' $(1) $@ && )

CFLAGS ?= -O2 -g
WARN   := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
	  -Wformat=2 -Wvla -Wundef -Wwrite-strings $(if $(WERROR),-Werror)
SANFLAGS := $(if $(SAN)$(FUZZ),-fsanitize=address -fsanitize=undefined -fno-sanitize-recover=all \
	    -fno-omit-frame-pointer) $(if $(FUZZ),-fsanitize=fuzzer-no-link)
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE -DVFIORUN_VERSION='"$(VERSION)"' -I. \
	     $(shell $(PKGCONFIG) --cflags $(PACKAGES)) $(WARN) $(SANFLAGS) $(CFLAGS)
# libpci, libevdev and libsystemd are loaded when they are needed.
LIBS = $(shell $(PKGCONFIG) --libs json-c libcap-ng)
ALL_LDFLAGS = $(SANFLAGS) $(LDFLAGS)

ROOMS := $(wildcard base qmp qmp/* tune tune/* tune/*/* input input/* launcher launcher/* launcher/plan/*)
SOURCES := $(sort $(wildcard $(addsuffix /*.c,$(ROOMS))))
OBJECTS := $(SOURCES:%.c=$(B)/%.o)
LIBRARY := $(B)/libvfiorun.a

UNIT_SOURCES := $(sort $(wildcard tests/unit/test_*.c))
UNIT := $(UNIT_SOURCES:tests/unit/%.c=$(B)/tests/%)
FIXTURES := $(sort $(filter-out tests/unit/test_%,$(wildcard tests/unit/*.c)))
# Programs that tests and benchmarks start: each one file.
TOOL_SOURCES := $(sort $(wildcard tests/tools/*.c))
TOOLS := $(TOOL_SOURCES:tests/tools/%.c=$(B)/tools/%)
FUZZER_SOURCES := $(sort $(wildcard tests/fuzz/fuzz_*.c))
FUZZERS := $(FUZZER_SOURCES:tests/fuzz/%.c=$(B)/fuzz/%)

.PHONY: all check check-unit check-system tools guest golden lab lab-full bench fuzz fuzzers lint print-packages \
	install uninstall clean
all: $(B)/vfiorun

$(B)/vfiorun: $(B)/launcher/main.o $(LIBRARY)
	$(call say,LD)$(CC) $(ALL_LDFLAGS) -o $@ $< $(LIBRARY) $(LIBS)

$(LIBRARY): $(filter-out $(B)/launcher/main.o,$(OBJECTS))
	@rm -f $@
	$(call say,AR)$(AR) rcs $@ $^

$(B)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,CC)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(B)/tests/test_%: $(B)/tests/unit/test_%.o $(FIXTURES:%.c=$(B)/%.o) $(LIBRARY)
	@mkdir -p $(@D)
	$(call say,LD)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS) $(shell $(PKGCONFIG) --libs cmocka libevdev)

$(B)/tools/%: $(B)/tests/tools/%.o $(LIBRARY)
	@mkdir -p $(@D)
	$(call say,LD)$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(LIBRARY) $(LIBS)

$(B)/tools/make-host: $(B)/tests/unit/bighost.o $(B)/tests/unit/tree.o $(B)/tests/unit/pcitree.o
$(B)/fuzz/fuzz_switch: $(B)/tests/unit/input_world.o

tools: $(TOOLS)

$(B)/fuzz/%: $(B)/tests/fuzz/%.o $(LIBRARY)
	@mkdir -p $(@D)
	$(call say,LD)$(CC) $(ALL_LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(LIBS)

check: check-unit check-system
check-unit: $(UNIT) $(TOOLS) $(B)/vfiorun
	BUILD=$(B) ./tests/run-unit $(UNIT)
check-system: all tools
	BUILD=$(B) ./tests/run-system
golden: $(UNIT)
	GOLDEN=rewrite BUILD=$(B) ./tests/run-unit $(UNIT)
lab: all tools
	BUILD=$(B) ./tests/lab/run quick
lab-full: all tools
	-./tests/lab/fetch-irqbalance
	-./tests/fetch-qemu-backports build/qemu-backports
	BUILD=$(B) ./tests/lab/run full
bench: all tools
	BUILD=$(B) ./scripts/bench
fuzz:
	$(MAKE) FUZZ=1 SAN= CC=clang fuzzers
	./tests/run-fuzz $(SECONDS)
fuzzers: $(FUZZERS)
print-packages:
	@echo $(PACKAGES)
lint: all
	./scripts/lint
guest:
	./scripts/make-guest

PLACES = BUILD=$(B) DESTDIR='$(DESTDIR)' BINDIR='$(BINDIR)' MANDIR='$(MANDIR)' BASHDIR='$(BASHDIR)' \
	 ZSHDIR='$(ZSHDIR)' FISHDIR='$(FISHDIR)' EXAMPLEDIR='$(EXAMPLEDIR)' UNITDIR='$(UNITDIR)' \
	 SYSUSERSDIR='$(SYSUSERSDIR)' UDEVDIR='$(UDEVDIR)'
install: all
	@$(PLACES) ./scripts/install
uninstall:
	@$(PLACES) ./scripts/install --remove
clean:
	rm -rf build build-san build-fuzz

-include $(OBJECTS:.o=.d) $(UNIT:$(B)/tests/%=$(B)/tests/unit/%.d) $(FIXTURES:%.c=$(B)/%.d) \
	 $(TOOLS:$(B)/tools/%=$(B)/tests/tools/%.d) $(FUZZERS:$(B)/fuzz/%=$(B)/tests/fuzz/%.d)
.SECONDARY:
