/* Colours: ends, order, evenness, grey, and what the colour-blind see. */
#include "view/palette.h"
#include "unit.h"

static double
linear(double c)
{
	c /= 255;
	return c <= 0.04045 ? c / 12.92 : pow((c + 0.055) / 1.055, 2.4);
}

/* CIE L*a*b* (D65), so that the test does not lean on the code's own space */
static void
cielab(const double rgb[3], double lab[3])
{
	double xyz[3], f[3];

	xyz[0] = (0.4124 * rgb[0] + 0.3576 * rgb[1] + 0.1805 * rgb[2]) / 0.95047;
	xyz[1] = 0.2126 * rgb[0] + 0.7152 * rgb[1] + 0.0722 * rgb[2];
	xyz[2] = (0.0193 * rgb[0] + 0.1192 * rgb[1] + 0.9505 * rgb[2]) / 1.08883;
	for (int i = 0; i < 3; i++)
		f[i] = xyz[i] > 0.008856 ? cbrt(xyz[i]) : 7.787 * xyz[i] + 16.0 / 116;
	lab[0] = 116 * f[1] - 16;
	lab[1] = 500 * (f[0] - f[1]);
	lab[2] = 200 * (f[1] - f[2]);
}

/*
 * What eyes see that lack the long (protan), middle (deutan) or short
 * (tritan) cones: matrices of Machado, Oliveira and Fernandes 2009, full
 * severity, on linear RGB.  The first is the normal eye.
 */
static const double eyes[4][9] = {
	{1, 0, 0, 0, 1, 0, 0, 0, 1},
	{0.152286, 1.052583, -0.204868, 0.114503, 0.786281, 0.099216, -0.003882,
	 -0.048116, 1.051998},
	{0.367322, 0.860646, -0.227968, 0.280085, 0.672501, 0.047413, -0.011820,
	 0.042940, 0.968881},
	{1.255528, -0.076749, -0.178779, -0.078411, 0.930809, 0.147602, 0.004733,
	 0.691367, 0.303900}};

static double
distance(FpColor p, FpColor q, int eye)
{
	const FpColor colors[2] = {p, q};
	double		  lab[2][3];
	double		  sum = 0;

	for (int c = 0; c < 2; c++)
	{
		double rgb[3] = {linear(colors[c].r), linear(colors[c].g),
						 linear(colors[c].b)};
		double seen[3];

		for (int i = 0; i < 3; i++)
		{
			seen[i] = 0;
			for (int j = 0; j < 3; j++)
				seen[i] += eyes[eye][3 * i + j] * rgb[j];
			seen[i] = Min(Max(seen[i], 0), 1);
		}
		cielab(seen, lab[c]);
	}
	for (int i = 0; i < 3; i++)
		sum += (lab[0][i] - lab[1][i]) * (lab[0][i] - lab[1][i]);
	return sqrt(sum);
}

static bool
is(FpColor color, const char *hex)
{
	char got[FP_COLOR_HEX_LEN];

	fp_color_hex(color, got);
	if (strcmp(got, hex) != 0)
		printf("# got %s, expected %s\n", got, hex);
	return strcmp(got, hex) == 0;
}

int
main(void)
{
	FpPalette palette;
	FpPalette all[] = {FP_PALETTE_TRAFFIC, FP_PALETTE_COLORBLIND,
					   FP_PALETTE_MONO};

	ok(fp_palette_find("traffic", &palette) && palette == FP_PALETTE_TRAFFIC &&
		   fp_palette_find("colorblind", &palette) &&
		   palette == FP_PALETTE_COLORBLIND &&
		   fp_palette_find("mono", &palette) && palette == FP_PALETTE_MONO &&
		   !fp_palette_find("Traffic", &palette) &&
		   !fp_palette_find("", &palette),
	   "palettes by name");

	ok(is(fp_palette_color(FP_PALETTE_TRAFFIC, 0, 1), "#2ea04f") &&
		   is(fp_palette_color(FP_PALETTE_TRAFFIC, 0.5, 1), "#f6c53b") &&
		   is(fp_palette_color(FP_PALETTE_TRAFFIC, 1, 1), "#c62828"),
	   "green, amber, red");
	ok(is(fp_palette_color(FP_PALETTE_TRAFFIC, 7, 1), "#c62828") &&
		   is(fp_palette_color(FP_PALETTE_TRAFFIC, -1, 3), "#2ea04f"),
	   "places and strengths beyond the ends are clamped");

	for (size_t p = 0; p < lengthof(all); p++)
	{
		bool   in_order = true;
		bool   redder = true;
		double widest = 0, total = 0;
		bool   fades = true;

		ok(is(fp_palette_color(all[p], 0.7, 0), "#9e9e9e") &&
			   is(fp_palette_color(all[p], 0.7, -1), "#9e9e9e") &&
			   is(fp_palette_color(all[p], NAN, 1), "#9e9e9e") &&
			   is(fp_palette_color(all[p], 0.7, NAN), "#9e9e9e"),
		   "palette %zu: not known is grey", p);

		for (int i = 1; i <= 100; i++)
		{
			FpColor before = fp_palette_color(all[p], (i - 1) / 100.0, 1);
			FpColor here = fp_palette_color(all[p], i / 100.0, 1);
			double	step = distance(before, here, 0);

			/* the further from a place, the further from its colour */
			for (int j = 0; j + 20 <= i; j += 20)
				if (distance(fp_palette_color(all[p], j / 100.0, 1), here, 0) <
					8)
					in_order = false;
			/* red over green: from low to high it only grows */
			if ((here.r + 1.0) / (here.g + 1.0) <
				(before.r + 1.0) / (before.g + 1.0) - 0.02)
				redder = false;
			widest = Max(widest, step);
			total += step;
		}
		ok(in_order, "palette %zu: a fifth of the scale is a clear step", p);
		ok(redder, "palette %zu: redder with the rate", p);
		ok(widest < 3 * total / 100, "palette %zu: no sudden steps", p);

		for (int i = 0; i <= 10; i++)
			for (int s = 1; s <= 10; s++)
			{
				FpColor none = fp_palette_color(all[p], i / 10.0, 0);

				if (distance(fp_palette_color(all[p], i / 10.0, s / 10.0),
							 none,
							 0) <= distance(fp_palette_color(all[p], i / 10.0,
															 (s - 1) / 10.0),
											none, 0))
					fades = false;
			}
		ok(fades, "palette %zu: each step of strength leads away from grey",
		   p);
	}

	for (int eye = 0; eye < 4; eye++)
	{
		double closest = INFINITY;

		for (int i = 0; i <= 20; i++)
			for (int j = i + 10; j <= 20; j++)
				closest = Min(closest,
							  distance(fp_palette_color(FP_PALETTE_COLORBLIND,
														i / 20.0, 1),
									   fp_palette_color(FP_PALETTE_COLORBLIND,
														j / 20.0, 1),
									   eye));
		ok(closest > 25,
		   "colorblind: half a scale apart is %.0f apart to eye %d", closest,
		   eye);
	}

	ok(fp_color_strength(0.4, 0.45) == 1 && fp_color_strength(0, 1) == 0 &&
		   fp_color_strength(NAN, 1) == 0 &&
		   near(fp_color_strength(0.1, 0.45), 0.5, 1e-12),
	   "strength by the interval's width");
	ok(fp_color_is_light((FpColor){255, 255, 255}) &&
		   !fp_color_is_light((FpColor){0, 0, 0}) &&
		   fp_color_is_light((FpColor){0xf6, 0xc5, 0x3b}) &&
		   !fp_color_is_light((FpColor){0xc6, 0x28, 0x28}),
	   "black text on light cells only");
	return unit_done();
}
