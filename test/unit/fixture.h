/*
 * Reading test/fixtures/NAME.csv: a header line, then numbers by column
 * ("" is NaN). Tests run at the top of the repository.
 */
#ifndef FAILPAT_FIXTURE_H
#define FAILPAT_FIXTURE_H

#include "unit.h"

#define FIXTURE_COLUMNS 24

typedef struct Fixture
{
	FILE *file;
	char  line[4096];
	char *text[FIXTURE_COLUMNS]; /* of the row that was read last */
	int	  row;
} Fixture;

static inline Fixture
fixture_open(const char *name)
{
	Fixture f = {0};
	char	path[256];

	snprintf(path, sizeof(path), "test/fixtures/%s.csv", name);
	f.file = fopen(path, "r");
	if (!f.file || !fgets(f.line, sizeof(f.line), f.file))
	{
		printf("Bail out! no %s\n", path);
		exit(1);
	}
	return f;
}

static inline bool
fixture_next(Fixture *f)
{
	char *at;

	if (!fgets(f->line, sizeof(f->line), f->file))
	{
		fclose(f->file);
		return false;
	}
	f->row++;
	f->line[strcspn(f->line, "\n")] = '\0';
	at = f->line;
	for (int i = 0; i < FIXTURE_COLUMNS; i++)
		f->text[i] = strsep(&at, ",");
	return true;
}

static inline double
fixture_number(const Fixture *f, int column)
{
	return f->text[column] && f->text[column][0]
			   ? strtod(f->text[column], NULL)
			   : NAN;
}

static inline int64
fixture_count(const Fixture *f, int column)
{
	return strtoll(f->text[column], NULL, 10);
}

/* The largest relative error of one quantity over a fixture. */
typedef struct Worst
{
	const char *what;
	double		error;
	int			row;
	int			rows;
	double		got;
	double		expected;
} Worst;

static inline void
worst_add(Worst *w, double got, double expected, int row)
{
	double error;

	if (got == expected || (isnan(got) && isnan(expected)))
		error = 0.0;
	else if (expected == 0.0 || isinf(expected) || isnan(expected) ||
			 isnan(got))
		error = INFINITY;
	else
		error = fabs(got - expected) / fabs(expected);
	w->rows++;
	if (error > w->error || w->rows == 1)
	{
		w->error = error;
		w->row = row;
		w->got = got;
		w->expected = expected;
	}
}

static inline void
worst_ok(const Worst *w, double tolerance)
{
	ok(w->rows > 0 && w->error <= tolerance,
	   "%s: %d values, worst relative error %.2g (row %d: %.17g, expected "
	   "%.17g)",
	   w->what, w->rows, w->error, w->row, w->got, w->expected);
}

#endif /* FAILPAT_FIXTURE_H */
