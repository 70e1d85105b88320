/*-------------------------------------------------------------------------
 *
 * palette.h
 *		Colours of heatmap cells.
 *
 * A colour says two things: how high the rate is (place on the palette) and
 * how well it is known (strength: full colour to grey).  Both are mixed in
 * Oklab, where equal steps look equally large.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_VIEW_PALETTE_H
#define FAILPAT_VIEW_PALETTE_H

#include "pure.h"

typedef enum FpPalette
{
	FP_PALETTE_TRAFFIC,	   /* green, amber, red */
	FP_PALETTE_COLORBLIND, /* blue, pale yellow, vermilion */
	FP_PALETTE_MONO		   /* near white to dark red; prints in black */
} FpPalette;

typedef struct FpColor
{
	uint8 r, g, b; /* sRGB */
} FpColor;

#define FP_COLOR_HEX_LEN 8 /* "#rrggbb" and its zero */

/* The names that fp_palette_find() knows, for error messages. */
#define FP_PALETTE_NAMES "traffic, colorblind, mono"

/* Palette of a name; false where there is none. */
extern bool fp_palette_find(const char *name, FpPalette *palette);

/*
 * Colour at a place (0 best .. 1 worst) with a strength (0 grey .. 1 full).
 * Both are clamped; NaN in either is grey.
 */
extern FpColor fp_palette_color(FpPalette palette, double place,
								double strength);

/*
 * Strength of a rate's colour by its confidence interval: 1 up to a width of
 * 0.1 (some 200 to 400 trials), falling evenly to 0 at a width of 0.6 (some
 * 3 to 6 trials).  NaN bounds: 0.
 */
extern double fp_color_strength(double lower, double upper);

/* "#rrggbb" */
extern void fp_color_hex(FpColor color, char hex[FP_COLOR_HEX_LEN]);

/* Is black text easier to read on it than white?  (WCAG contrast.) */
extern bool fp_color_is_light(FpColor color);

#endif /* FAILPAT_VIEW_PALETTE_H */
