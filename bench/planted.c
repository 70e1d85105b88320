/*-------------------------------------------------------------------------
 *
 * planted.c
 *		What the miner makes of planted truth.
 *
 * usage: planted recall|structure|headline RUNS [OBSERVATIONS [KIND]]
 *
 *	- recall: plants of one kind, support and risk ratio; several in each data
 *	  set where they are small against it, without a value in common;
 *	  (KIND: the number of one of them, from 0);
 *	- structure: one plant, and something else that goes with it;
 *	- headline: "LoRA 3 + Character 5 at segment 6+", 44 % against 8.6 %, in
 *	  0.07 % of the observations.
 *
 * Prints tables in Markdown, which doc/statistics.md shows.  Everything is
 * seeded; the server has no part in it.  bench/planted compiles and runs it.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "planted_data.h"

static const uint64 supports[] = {30, 70, 140, 300, 1000, 3000, 10000};
static const double ratios[] = {1.5, 2, 3, 5, 10};

#define SUPPORTS lengthof(supports)
#define RATIOS lengthof(ratios)

static FpMineResult *
mine(const FpCube *cube, FpArena arena)
{
	FpMineOptions options;

	fp_mine_defaults(&options);
	return fp_mine(cube, &options, arena);
}

static double
percent(int part, int whole)
{
	return whole > 0 ? 100.0 * part / whole : 0;
}

/* --------------------------------------------------------------- recall */

static Score
recall_cell(PlantKind kind, uint64 support, double ratio, int runs,
			uint64 nrows)
{
	Score score = {0};

	for (int run = 0; run < runs; run++)
	{
		FpArena arena = fp_arena_create(NULL, "run");
		Random	r = {(uint64) run * 1000003 + support * 31 + kind};
		Plant	plants[MAX_PLANTS];
		int		n = (int) Min(10, Max(1, nrows / 20 / support));

		if (kind == PLANT_RANGE)
			n = 1;
		for (int p = 0; p < n; p++)
			plants[p] = make_plant(kind, p, support, BASE_RATE * ratio);
		score_patterns(mine(plant_cube(arena, &r, nrows, plants, n), arena),
					   plants, n, &score);
		fp_arena_delete(arena);
	}
	return score;
}

static void
recall_tables(int runs, uint64 nrows, int only)
{
	static Score cells[PLANT_KINDS][SUPPORTS][RATIOS];
	Score		 all = {0};

	printf("| planted in %llu, base rate %g %% | support | plants |",
		   (unsigned long long) nrows, 100 * BASE_RATE);
	for (size_t i = 0; i < RATIOS; i++)
		printf(" ratio %g |", ratios[i]);
	printf("\n|---|---|---|---|---|---|---|---|\n");
	for (int kind = 0; kind < PLANT_KINDS; kind++)
		for (size_t s = 0; s < SUPPORTS && (only < 0 || only == kind); s++)
		{
			for (size_t i = 0; i < RATIOS; i++)
			{
				Score *c = &cells[kind][s][i];

				*c = recall_cell(kind, supports[s], ratios[i], runs, nrows);
				if (i == 0)
					printf("| %s | %llu | %d |", plant_names[kind],
						   (unsigned long long) supports[s], c->plants);
				printf(" %.0f %%", percent(c->exact, c->plants));
				if (c->threshold > 0)
					printf(" %.0f t%+.1f", percent(c->threshold, c->plants),
						   (double) c->off / c->threshold);
				if (c->coarser > 0)
					printf(" %.0f l", percent(c->coarser, c->plants));
				if (c->echoes > 0)
					printf(" %.0f e", percent(c->echoes, c->plants));
				printf(" |");
				fflush(stdout);
				all.plants += c->plants;
				all.reported += c->reported;
				all.exact += c->exact;
				all.threshold += c->threshold;
				all.off += c->off;
				all.coarser += c->coarser;
				all.echoes += c->echoes;
			}
			printf("\n");
		}
	printf("\n%d plants, %d patterns reported: %.2f %% exact, %.2f %% with "
		   "another threshold (off by %.2f segments), %.2f %% with a "
		   "condition less, %.2f %% anything else.\n",
		   all.plants, all.reported, percent(all.exact, all.reported),
		   percent(all.threshold, all.reported),
		   (double) all.off / Max(1, all.threshold),
		   percent(all.coarser, all.reported),
		   percent(all.echoes, all.reported));

	printf("\n| 95 %% exact from a support of |");
	for (size_t i = 0; i < RATIOS; i++)
		printf(" ratio %g |", ratios[i]);
	printf("\n|---|---|---|---|---|---|\n");
	for (int kind = 0; kind < PLANT_KINDS; kind++)
	{
		if (only >= 0 && only != kind)
			continue;
		printf("| %s |", plant_names[kind]);
		for (size_t i = 0; i < RATIOS; i++)
		{
			size_t s = SUPPORTS;

			while (s > 0 && cells[kind][s - 1][i].exact * 100 >=
								cells[kind][s - 1][i].plants * 95)
				s--;
			if (s < SUPPORTS)
				printf(" %llu |", (unsigned long long) supports[s]);
			else
				printf(" more |");
		}
		printf("\n");
	}
}

/* ------------------------------------------------------------ structure */

typedef enum Structure
{
	CONFOUNDED,	  /* a LoRA used mostly with the character that fails */
	INSIDE,		  /* .. with no other character */
	CAUSE_INSIDE, /* the LoRA fails; it is used with one character only */
	ALIAS,		  /* LoRA and character are never used apart */
	SIMPSON,	  /* a model that is better, used mostly in the bad workflow */
	TWO_EFFECTS,  /* both fail by themselves */
	COMPANY, /* LoRA and workflow fail; their character has the workflow */
	GRADED,	 /* .. the same with scene types of ten different rates */
	STRUCTURES
} Structure;

static const char *const structure_names[STRUCTURES] = {
	"the character fails; a LoRA is used with it in 4 of 5 cases",
	"the character fails; a LoRA is used with no other",
	"the LoRA fails; it is used with one character only",
	"LoRA and character are never used apart",
	"the workflow fails; a better model is used with it in 7 of 10 cases",
	"the LoRA fails, and so does the character, where both are, they add up",
	"LoRA and workflow fail; with the LoRA, a character has that workflow in 4 of 5 cases",
	"the LoRA fails, scene types from 0.4 to 1.6 times as often; with the LoRA, a character has the worst three"};

#define THE_LORA 3
#define THE_CHARACTER 5
#define THE_MODEL 2
#define THE_WORKFLOW 4

static bool
has_lora(const Drawn *drawn)
{
	return drawn->members[0] == THE_LORA || drawn->members[1] == THE_LORA;
}

static void
use_lora(Drawn *drawn)
{
	drawn->members[0] = THE_LORA;
	if (drawn->members[1] == THE_LORA)
		drawn->members[1] = 0;
}

/* support is that of what fails; Simpson: of the model */
static FpCube *
structure_cube(FpArena arena, Random *r, Structure structure, uint64 nrows,
			   uint64 support, double ratio)
{
	uint32	cards[PLANTED_DIMS];
	FpCube *cube = planted_cube(arena, nrows, cards);
	uint64	other = structure == CONFOUNDED ? support / 8 : 0;

	if (structure == CAUSE_INSIDE || structure == TWO_EFFECTS)
		other = support;
	for (uint64 i = 0; i < nrows; i++)
	{
		bool   in = i < support;
		Drawn  d;
		double rate = BASE_RATE;

		do
			draw_any(r, cards, &d);
		while (structure >= COMPANY ? has_lora(&d)
			   : structure == SIMPSON
				   ? d.code[MODEL] == THE_MODEL
				   : has_lora(&d) || d.code[CHARACTER] == THE_CHARACTER);
		switch (structure)
		{
			case CONFOUNDED: /* of 4 LoRA rows in 5 the character is this one */
			case INSIDE:
				if (in)
					d.code[CHARACTER] = THE_CHARACTER;
				if (i < support / 2 || (i >= support && i < support + other))
					use_lora(&d);
				break;
			case CAUSE_INSIDE: /* the character also without it, as often */
				if (i < support + other)
					d.code[CHARACTER] = THE_CHARACTER;
				if (in)
					use_lora(&d);
				break;
			case ALIAS:
				if (in)
				{
					d.code[CHARACTER] = THE_CHARACTER;
					use_lora(&d);
				}
				break;
			case SIMPSON:
				if (in)
				{
					d.code[MODEL] = THE_MODEL;
					if (random_unit(r) < 0.64) /* 0.7 with those by chance */
						d.code[WORKFLOW] = THE_WORKFLOW;
				}
				break;
			case COMPANY:
			case GRADED:
				if (!in)
					break;
				use_lora(&d);
				if (i >= support / 3)
				{
					if (d.code[CHARACTER] == THE_CHARACTER)
						d.code[CHARACTER]++;
					break;
				}
				d.code[CHARACTER] = THE_CHARACTER;
				if (structure == GRADED)
					d.code[SCENE] = 8 + random_below(r, 3);
				else if (random_unit(r) < 0.76)
					d.code[WORKFLOW] = THE_WORKFLOW;
				break;
			default: /* a quarter of each is with the other */
				if (in)
					d.code[CHARACTER] = THE_CHARACTER;
				if (i < support / 4 ||
					(i >= support && i < support + other - support / 4))
					use_lora(&d);
				break;
		}
		if (structure == SIMPSON)
			rate *= (d.code[WORKFLOW] == THE_WORKFLOW ? ratio : 1) *
					(in ? 0.85 : 1);
		else if (structure == COMPANY)
			rate *= (d.code[WORKFLOW] == THE_WORKFLOW ? 2 : 1) *
					(in ? fmin(ratio, 5) : 1);
		else if (structure == GRADED)
			rate *= (0.4 + 1.2 * (d.code[SCENE] - 1) / 9) *
					(in ? fmin(ratio, 6) : 1);
		else if (structure == TWO_EFFECTS)
			rate += BASE_RATE * (ratio - 1) *
					((d.code[CHARACTER] == THE_CHARACTER) + has_lora(&d));
		else if (in)
			rate *= ratio;
		put_drawn(cube, i, &d);
		cube->failures[i] = random_unit(r) < rate;
	}
	data_finish(cube);
	return cube;
}

static bool
is_single(const FpPatternCondition *c, int n, int dim, uint32 code)
{
	return n == 1 && c->dim == dim && c->code[0] == code &&
		   c->kind != FP_COND_PAIR;
}

/* by any of its names */
static bool
is_named(const FpPattern *p, int dim, uint32 code)
{
	bool named = is_single(p->conditions, p->nconditions, dim, code);

	for (int s = 0; s < p->nsame; s++)
		named |= is_single(p->same[s].conditions, p->same[s].nconditions, dim,
						   code);
	return named;
}

/* Is it what is to be found?  *right: it is true, at least. */
static bool
structure_found(Structure structure, const FpPattern *p, bool *right)
{
	bool lora = is_named(p, LORA, THE_LORA);
	bool character = is_named(p, CHARACTER, THE_CHARACTER);

	switch (structure)
	{
		case CONFOUNDED:
		case INSIDE:
			*right = character;
			break;
		case CAUSE_INSIDE:
			*right = lora;
			break;
		case ALIAS:
			*right = lora && character;
			break;
		case SIMPSON:
			*right = is_named(p, WORKFLOW, THE_WORKFLOW);
			break;
		case COMPANY:
			*right = lora || is_named(p, WORKFLOW, THE_WORKFLOW);
			break;
		case GRADED: /* the worst scene types are patterns too */
			*right =
				lora || (p->nconditions == 1 && p->conditions[0].dim == SCENE);
			return lora;
		default:
			*right = lora || character;
			break;
	}
	return *right;
}

static void
structure_table(int runs, uint64 nrows)
{
	static const uint64 some[] = {140, 300, 1000, 3000, 10000};

	printf("| in %llu | support |", (unsigned long long) nrows);
	for (size_t i = 1; i < RATIOS; i++)
		printf(" ratio %g |", ratios[i]);
	printf("\n|---|---|---|---|---|---|\n");
	for (int structure = 0; structure < STRUCTURES; structure++)
		for (size_t s = 0; s < lengthof(some); s++)
		{
			printf("| %s | %llu |", structure_names[structure],
				   (unsigned long long) some[s]);
			for (size_t i = 1; i < RATIOS; i++)
			{
				int wanted =
					structure == TWO_EFFECTS || structure == COMPANY ? 2 : 1;
				int found = 0, wrong = 0;

				/* both at once would fail always */
				if (structure == TWO_EFFECTS && ratios[i] > 5)
				{
					printf(" |");
					continue;
				}
				for (int run = 0; run < runs; run++)
				{
					FpArena		  arena = fp_arena_create(NULL, "run");
					Random		  r = {(uint64) run * 1000003 + some[s]};
					FpMineResult *result =
						mine(structure_cube(arena, &r, structure, nrows,
											some[s], ratios[i]),
							 arena);

					for (int p = 0; p < result->npatterns; p++)
					{
						bool right;

						found += structure_found(structure,
												 &result->patterns[p], &right);
						wrong += !right;
					}
					fp_arena_delete(arena);
				}
				printf(" %.0f %%", percent(found, runs * wanted));
				if (wrong > 0)
					printf(" %.0f e", percent(wrong, runs));
				printf(" |");
				fflush(stdout);
			}
			printf("\n");
		}
}

/* ------------------------------------------------------------- headline */

static void
headline(int runs, uint64 nrows)
{
	Score score = {0};

	for (int run = 0; run < runs; run++)
	{
		FpArena arena = fp_arena_create(NULL, "run");
		Random	r = {(uint64) run * 7919 + 1};
		Plant	plant = make_plant(PLANT_LATE, 0, nrows * 7 / 10000, 0.44);

		score_patterns(mine(plant_cube(arena, &r, nrows, &plant, 1), arena),
					   &plant, 1, &score);
		fp_arena_delete(arena);
	}
	printf("| observations | runs | exact | another threshold | .. off by | a "
		   "condition less | anything else |\n|---|---|---|---|---|---|---|\n"
		   "| %llu | %d | %.1f %% | %.1f %% | %.2f | %.1f %% | %.1f %% |\n",
		   (unsigned long long) nrows, runs, percent(score.exact, runs),
		   percent(score.threshold, runs),
		   (double) score.off / Max(1, score.threshold),
		   percent(score.coarser, runs), percent(score.echoes, runs));
}

int
main(int argc, char **argv)
{
	int	   runs = argc > 2 ? atoi(argv[2]) : 0;
	uint64 nrows = argc > 3 ? (uint64) atoll(argv[3]) : 200000;

	if (argc > 2 && runs >= 1 && nrows >= 100000)
	{
		if (strcmp(argv[1], "recall") == 0)
			return recall_tables(runs, nrows, argc > 4 ? atoi(argv[4]) : -1),
				   0;
		if (strcmp(argv[1], "structure") == 0)
			return structure_table(runs, nrows), 0;
		if (strcmp(argv[1], "headline") == 0)
			return headline(runs, nrows), 0;
	}
	fprintf(stderr,
			"usage: %s recall|structure|headline RUNS [OBSERVATIONS [KIND]]\n",
			argv[0]);
	return 2;
}
