/*-------------------------------------------------------------------------
 *
 * palette.c
 *		Colours of heatmap cells, mixed in Oklab.
 *
 * Owns the palettes.  Allocates nothing, takes no locks, raises no errors.
 *
 * Oklab is a colour space in which equal distances look about equally large;
 * its matrices are those of Bjoern Ottosson, "A perceptual color space for
 * image processing", 2020.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "view/palette.h"

#include <math.h>

#define NSTOPS 3

typedef struct Lab
{
	double l, a, b;
} Lab;

/*
 * Stops at 0, 1/2 and 1.  No stop is grey: grey means "not known".  Blue and
 * vermilion stay apart for every common kind of colour blindness, green and
 * red do not, whence their lightness differs as well.
 */
static const struct
{
	const char *name;
	FpColor		stops[NSTOPS];
} palettes[] = {
	[FP_PALETTE_TRAFFIC] = {"traffic",
							{{0x2e, 0xa0, 0x4f},
							 {0xf6, 0xc5, 0x3b},
							 {0xc6, 0x28, 0x28}}},
	[FP_PALETTE_COLORBLIND] = {"colorblind",
							   {{0x1f, 0x66, 0xb0},
								{0xf7, 0xe8, 0xa4},
								{0xc9, 0x4a, 0x12}}},
	[FP_PALETTE_MONO] =
		{"mono", {{0xff, 0xf3, 0xee}, {0xe5, 0x77, 0x60}, {0x67, 0x00, 0x0d}}},
};

static const FpColor grey = {0x9e, 0x9e, 0x9e};

/* sRGB's transfer curve and its inverse (IEC 61966-2-1) */
static double
linear(uint8 channel)
{
	double c = channel / 255.0;

	return c <= 0.04045 ? c / 12.92 : pow((c + 0.055) / 1.055, 2.4);
}

static uint8
gamma_coded(double c)
{
	c = c <= 0.0031308 ? c * 12.92 : 1.055 * pow(c, 1 / 2.4) - 0.055;
	return (uint8) lround(255 * Min(Max(c, 0), 1));
}

static Lab
to_lab(FpColor color)
{
	double r = linear(color.r);
	double g = linear(color.g);
	double b = linear(color.b);
	double l = cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
	double m = cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
	double s = cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
	Lab	   lab;

	lab.l = 0.2104542553 * l + 0.7936177850 * m - 0.0040720468 * s;
	lab.a = 1.9779984951 * l - 2.4285922050 * m + 0.4505937099 * s;
	lab.b = 0.0259040371 * l + 0.7827717662 * m - 0.8086757660 * s;
	return lab;
}

static FpColor
from_lab(Lab lab)
{
	double	l = lab.l + 0.3963377774 * lab.a + 0.2158037573 * lab.b;
	double	m = lab.l - 0.1055613458 * lab.a - 0.0638541728 * lab.b;
	double	s = lab.l - 0.0894841775 * lab.a - 1.2914855480 * lab.b;
	FpColor color;

	l = l * l * l;
	m = m * m * m;
	s = s * s * s;
	color.r =
		gamma_coded(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s);
	color.g =
		gamma_coded(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s);
	color.b =
		gamma_coded(-0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s);
	return color;
}

static Lab
mix(Lab from, Lab to, double share)
{
	Lab lab;

	lab.l = from.l + share * (to.l - from.l);
	lab.a = from.a + share * (to.a - from.a);
	lab.b = from.b + share * (to.b - from.b);
	return lab;
}

bool
fp_palette_find(const char *name, FpPalette *palette)
{
	for (size_t p = 0; p < lengthof(palettes); p++)
		if (strcmp(palettes[p].name, name) == 0)
		{
			*palette = (FpPalette) p;
			return true;
		}
	return false;
}

FpColor
fp_palette_color(FpPalette palette, double place, double strength)
{
	const FpColor *stops = palettes[palette].stops;
	double		   at;
	int			   stop;

	if (isnan(place) || isnan(strength) || strength <= 0)
		return grey;
	at = Min(Max(place, 0), 1) * (NSTOPS - 1);
	stop = Min((int) at, NSTOPS - 2);
	return from_lab(
		mix(to_lab(grey),
			mix(to_lab(stops[stop]), to_lab(stops[stop + 1]), at - stop),
			Min(strength, 1)));
}

double
fp_color_strength(double lower, double upper)
{
	double strength = (0.6 - (upper - lower)) / (0.6 - 0.1);

	if (isnan(strength))
		return 0;
	return Min(Max(strength, 0), 1);
}

void
fp_color_hex(FpColor color, char hex[FP_COLOR_HEX_LEN])
{
	static const char digits[] = "0123456789abcdef";
	const uint8		  channels[3] = {color.r, color.g, color.b};

	hex[0] = '#';
	for (int c = 0; c < 3; c++)
	{
		hex[1 + 2 * c] = digits[channels[c] >> 4];
		hex[2 + 2 * c] = digits[channels[c] & 15];
	}
	hex[7] = '\0';
}

/*
 * Relative luminance y has a contrast of (y + .05) / .05 to black and
 * 1.05 / (y + .05) to white; they are equal at y = .179.
 */
bool
fp_color_is_light(FpColor color)
{
	return 0.2126 * linear(color.r) + 0.7152 * linear(color.g) +
			   0.0722 * linear(color.b) >
		   0.179;
}
