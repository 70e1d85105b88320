# failpat: failure patterns in PostgreSQL.
#
#   make demo       watch the main job run on a throw-away server
#   make dashboard  the same to click on, in a browser
#   make test       everything that must hold, on a throw-away server
#   make bench      speed and memory beside what you would do otherwise
#
# These four install what they lack (Debian packages), need neither pg_config
# nor PostgreSQL to start, and touch no server but the one that they make.
#
#   make, make install, make installcheck    the ecosystem's way (PGXS)
#   make deb, make check-deb                 Debian packages in build/deb/
#   make dist, make check-dist               the archive for PGXN in build/dist/

EXTENSION    = failpat
EXTVERSION   = 1.0
MODULE_big   = failpat
PG_CONFIG   ?= pg_config

# What lies in a folder below src/ is pure: it compiles and runs without a
# server too (see src/pure.h). What lies in src/ itself talks to the server.
PURE_SRCS    = $(sort $(wildcard src/stats/*.c src/cube/*.c src/mine/*.c src/view/*.c \
                 src/predict/*.c))
SERVER_SRCS  = $(sort $(wildcard src/*.c))
OBJS         = $(PURE_SRCS:.c=.o) $(SERVER_SRCS:.c=.o)

INSTALL_SQL  = $(sort $(wildcard sql/install/*.sql))
DATA_built   = $(EXTENSION)--$(EXTVERSION).sql
DATA         = $(wildcard sql/upgrade/$(EXTENSION)--*--*.sql)

REGRESS      = $(sort $(patsubst sql/%.sql,%,$(wildcard sql/*.sql)))
REGRESS_OPTS = --inputdir=. --load-extension=plpgsql
# no background worker comes between the statements of a test
installcheck: export PGOPTIONS = -c failpat.async=off

# The server's headers are not clean under -Wextra; these four classes of
# warning come from its macros and calling convention, not from our code.
WARN         = -Wall -Wextra -Werror
WARN_SERVER  = -Wno-unused-parameter -Wno-sign-compare \
               -Wno-missing-field-initializers -Wno-cast-function-type
PG_CPPFLAGS  = -Isrc
PG_CFLAGS    = $(WARN) $(WARN_SERVER) $(EXTRA_CFLAGS)
SHLIB_LINK   = -lm

EXTRA_CLEAN  = dashboard/web/dist

.DEFAULT_GOAL := all

PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)
ifneq ($(wildcard $(PGXS)),)
include $(PGXS)
# Debian's clang for bitcode does not know all of gcc's warning flags.
BITCODE_CFLAGS += -Wno-unknown-warning-option
# Every object is rebuilt when a header changes: there are few of them.
$(OBJS): $(wildcard src/*.h src/*/*.h)
$(OBJS:.o=.bc): $(wildcard src/*.h src/*/*.h)
else
.PHONY: all install installcheck clean
all install installcheck:
	@echo "The PostgreSQL server headers are missing (no PGXS for '$(PG_CONFIG)')." >&2
	@echo "On Debian: make deps   (or: apt-get install postgresql-server-dev-15)" >&2
	@exit 1
clean:
	rm -rf $(OBJS) $(DATA_built) $(EXTRA_CLEAN)
endif

# The extension script is joined from its parts, in the order of their names.
$(DATA_built): $(INSTALL_SQL)
	cat $^ > $@.tmp && mv $@.tmp $@

.PHONY: deps demo test bench format check-format check-unit check-clang \
        check-regress check-isolation check-pgtap check-tap check-docs check-demo check-dashboard \
        check-fuzz check-serve dashboard \
        check-upgrade coverage valgrind matrix deb dist check-deb check-deb-install check-dist

deps:
	@test/tools/install-deps

demo: deps
	@examples/demo

dashboard:
	@test/tools/install-deps node
	@dashboard/serve

test:
	@test/tools/install-deps node browser
	@test/run

bench: deps
	@bench/run

# One kind of test alone; T names one test: make check-regress T=rates
check-unit check-regress check-isolation check-pgtap check-tap check-docs check-demo check-dashboard check-clang check-format check-fuzz:
	@test/run $@ $(T)

# make dashboard, from nothing to Ctrl-C; it installs what it lacks, so a fresh machine can run it
check-serve:
	@test/tools/check-serve

# KINDS names kinds of test and tests: make valgrind KINDS="check-unit check-regress:rates"
coverage:
	@test/tools/coverage $(KINDS)

valgrind:
	@test/tools/valgrind $(KINDS)

# the whole test on PostgreSQL 15, 17 and 18, as root: make matrix SUITES="trixie forky"
matrix:
	@test/tools/matrix $(SUITES)

deb: deps
	@test/tools/make-deb

dist:
	@test/tools/make-dist

check-deb: deps
	@test/tools/check-deb

# installs the package on this machine, and removes it: for test/tools/fresh-machine
check-deb-install: deps
	@test/tools/check-deb -i

check-dist: deps
	@test/tools/check-dist

# pg_upgrade from one major to the next, where two are installed: make check-upgrade MAJORS="15 17"
check-upgrade: deps
	@test/tools/upgrade-majors $(MAJORS)

format:
	clang-format-14 -i $$(git ls-files '*.c' '*.h')
