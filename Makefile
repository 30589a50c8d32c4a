# GNU make. `make` builds build/vfiorun; SAN=1 builds under ASan and UBSan in build-san/.
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

CC        ?= cc
PKGCONFIG ?= pkg-config
SAN       ?=
WERROR    ?=

B := $(if $(SAN),build-san,build)
PACKAGES := json-c libcap-ng

CFLAGS ?= -O2 -g
WARN   := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
	  -Wformat=2 -Wvla -Wundef -Wwrite-strings $(if $(WERROR),-Werror)
SANFLAGS := $(if $(SAN),-fsanitize=address -fsanitize=undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE -DVFIORUN_VERSION='"$(VERSION)"' -I. \
	     $(shell $(PKGCONFIG) --cflags $(PACKAGES)) $(WARN) $(SANFLAGS) $(CFLAGS)
LIBS = $(shell $(PKGCONFIG) --libs $(PACKAGES))
ALL_LDFLAGS = $(SANFLAGS) $(LDFLAGS)

ROOMS := $(wildcard base qmp qmp/* tune tune/* input input/* launcher launcher/*)
SOURCES := $(sort $(wildcard $(addsuffix /*.c,$(ROOMS))))
OBJECTS := $(SOURCES:%.c=$(B)/%.o)
LIBRARY := $(B)/libvfiorun.a

UNIT_SOURCES := $(sort $(wildcard tests/unit/test_*.c))
UNIT := $(UNIT_SOURCES:tests/unit/%.c=$(B)/tests/%)
FIXTURES := $(sort $(filter-out tests/unit/test_%,$(wildcard tests/unit/*.c)))
# Programs that tests and benchmarks start: each one file.
TOOL_SOURCES := $(sort $(wildcard tests/tools/*.c))
TOOLS := $(TOOL_SOURCES:tests/tools/%.c=$(B)/tools/%)

.PHONY: all check check-unit check-system tools golden lab lab-full bench soak fuzz lint install uninstall clean
all: $(B)/vfiorun

$(B)/vfiorun: $(B)/launcher/main.o $(LIBRARY)
	$(CC) $(ALL_LDFLAGS) -o $@ $< $(LIBRARY) $(LIBS)

$(LIBRARY): $(filter-out $(B)/launcher/main.o,$(OBJECTS))
	@rm -f $@
	$(AR) rcs $@ $^

$(B)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(B)/tests/test_%: $(B)/tests/unit/test_%.o $(FIXTURES:%.c=$(B)/%.o) $(LIBRARY)
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS) $(shell $(PKGCONFIG) --libs cmocka)

$(B)/tools/%: $(B)/tests/tools/%.o $(LIBRARY)
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(LIBRARY) $(LIBS)

$(B)/tools/make-host: $(B)/tests/unit/bighost.o $(B)/tests/unit/tree.o

tools: $(TOOLS)

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
	BUILD=$(B) ./tests/lab/run full
bench: all tools
	BUILD=$(B) ./scripts/bench
lint:
	./scripts/lint

PLACES = BUILD=$(B) DESTDIR='$(DESTDIR)' BINDIR='$(BINDIR)' MANDIR='$(MANDIR)' BASHDIR='$(BASHDIR)' \
	 ZSHDIR='$(ZSHDIR)' FISHDIR='$(FISHDIR)' EXAMPLEDIR='$(EXAMPLEDIR)' UNITDIR='$(UNITDIR)' \
	 SYSUSERSDIR='$(SYSUSERSDIR)'
install: all
	@$(PLACES) ./scripts/install
uninstall:
	@$(PLACES) ./scripts/install --remove
clean:
	rm -rf build build-san

-include $(OBJECTS:.o=.d) $(UNIT:$(B)/tests/%=$(B)/tests/unit/%.d) $(FIXTURES:%.c=$(B)/%.d) \
	 $(TOOLS:$(B)/tools/%=$(B)/tests/tools/%.d)
.SECONDARY:
