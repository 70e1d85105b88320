/*-------------------------------------------------------------------------
 *
 * special.c
 *		Special functions on which the statistics stand.
 *
 * The usual way, differences of log-gamma, loses all digits for large counts
 * (ln Gamma(1e12) is 2.7e13, so its last bit is worth 0.004).  Here every
 * probability is written by the saddle point form of Loader (2000), "Fast and
 * accurate computation of binomial probabilities": a sum of deviances, all of
 * one sign, and of Stirling errors, all small, so nothing cancels.
 *
 * Owns its constant tables; allocates nothing, takes no locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "stats/special.h"

#include <float.h>
#include <math.h>

#define LN_2PI 1.837877066409345483560659472811
#define LN_2 0.693147180559945309417232121458
#define SQRT_1_2 0.707106781186547524400844362105
#define SQRT_2_PI 0.797884560802865355879892119869 /* sqrt(2 / pi) */

/* both parameters of the beta function from which quadrature is right */
#define QUADRATURE_FROM 2000.0

/* stirling_half[i] is the error at i / 2; by 40-digit arithmetic */
static const double stirling_half[33] = {
	0.0,
	0.1534264097200273453,
	0.08106146679532725822,
	0.0548141210519176539,
	0.04134069595540929409,
	0.03316287351993628749,
	0.02767792568499833915,
	0.02374616365629749597,
	0.02079067210376509311,
	0.01848845053267318523,
	0.01664469118982119216,
	0.01513497322191737887,
	0.013876128823070748,
	0.01281046524292022692,
	0.0118967099458917701,
	0.01110455975820691733,
	0.0104112652619720965,
	0.009799416126158803298,
	0.009255462182712732918,
	0.008768700134139385463,
	0.008330563433362871256,
	0.007934114564314020547,
	0.007573675487951840795,
	0.00724455430132038318,
	0.006942840107209529866,
	0.006665247032707682442,
	0.006408994188004207068,
	0.006171712263039457648,
	0.005951370112758847736,
	0.005746216513010115682,
	0.005554733551962801371,
	0.005375599032926834494,
	0.005207655919609640441,
};

/* Gauss-Legendre, 32 nodes: the positive half, {node, weight} */
static const double gauss_32[16][2] = {
	{0.04830766568773831623, 0.09654008851472780057},
	{0.1444719615827964935, 0.09563872007927485942},
	{0.2392873622521370745, 0.09384439908080456564},
	{0.3318686022821276498, 0.09117387869576388471},
	{0.4213512761306353454, 0.08765209300440381114},
	{0.50689990893222939, 0.08331192422694675522},
	{0.587715757240762329, 0.07819389578707030647},
	{0.663044266930215201, 0.07234579410884850623},
	{0.7321821187402896804, 0.06582222277636184684},
	{0.794483795967942407, 0.05868409347853554715},
	{0.8493676137325699701, 0.0509980592623761762},
	{0.896321155766052124, 0.04283589802222668066},
	{0.9349060759377396892, 0.0342738629130214331},
	{0.9647622555875064308, 0.02539206530926205946},
	{0.9856115115452683354, 0.01627439473090567061},
	{0.9972638618494815635, 0.0070186100094700966},
};

double
fp_log1mexp(double x)
{
	/* Mächler (2012), "Accurately computing log(1 - exp(-|a|))" */
	return x > -LN_2 ? log(-expm1(x)) : log1p(-exp(x));
}

double
fp_logaddexp(double x, double y)
{
	if (x < y)
	{
		double swap = x;

		x = y;
		y = swap;
	}
	if (y == -INFINITY || x == INFINITY)
		return x;
	return x + log1p(exp(y - x));
}

double
fp_stirling_error(double x)
{
	double x2;

	if (x <= 16.0)
	{
		double twice = x + x;
		int	   i = (int) twice;
		double shift = 0.0;

		if (twice == i)
			return stirling_half[i];
		/* by recurrence up to where the series holds */
		for (; x < 16.0; x += 1.0)
			shift += (x + 0.5) * log1p(1.0 / x) - 1.0;
		return shift + fp_stirling_error(x);
	}
	x2 = 1.0 / (x * x);
	if (x > 1e6)
		return (1.0 / 12.0 - x2 * (1.0 / 360.0)) / x;
	return (1.0 / 12.0 -
			x2 * (1.0 / 360.0 -
				  x2 * (1.0 / 1260.0 -
						x2 * (1.0 / 1680.0 - x2 * (1.0 / 1188.0))))) /
		   x;
}

double
fp_deviance(double x, double e, double d)
{
	double v = d / (x + e);

	if (fabs(v) < 0.1)
	{
		/*
		 * ln(x / e) = 2 atanh(v); the leading term and d are put together
		 * as d * v, which is exact where their difference is not.
		 */
		double v2 = v * v;
		double series =
			v2 * (1.0 / 3.0 +
				  v2 * (1.0 / 5.0 +
						v2 * (1.0 / 7.0 +
							  v2 * (1.0 / 9.0 +
									v2 * (1.0 / 11.0 +
										  v2 * (1.0 / 13.0 +
												v2 * (1.0 / 15.0 +
													  v2 * (1.0 / 17.0))))))));

		return d * v + 2.0 * x * v * series;
	}
	if (x == 0.0)
		return e;
	return x * log(x / e) - d;
}

double
fp_log_choose(int64 n, int64 k)
{
	double dn = (double) n;
	double dk = (double) k;
	double dr = (double) (n - k);

	if (k < 0 || k > n)
		return -INFINITY;
	if (k == 0 || k == n)
		return 0.0;
	if (k == 1 || k == n - 1)
		return log(dn);
	return -dk * log(dk / dn) - dr * log1p(-dk / dn) +
		   0.5 * (log(dn / (dk * dr)) - LN_2PI) + fp_stirling_error(dn) -
		   fp_stirling_error(dk) - fp_stirling_error(dr);
}

double
fp_integrate_decay(FpDrop drop, const void *arg, double end)
{
	double half = 0.5 * end;
	double sum = 0.0;

	for (int i = 0; i < 16; i++)
	{
		double step = half * gauss_32[i][0];

		sum += gauss_32[i][1] *
			   (exp(-drop(half - step, arg)) + exp(-drop(half + step, arg)));
	}
	return half * sum;
}

/*
 * Normal distribution.
 */
double
fp_normal_log_upper(double z)
{
	double w;
	double term = 1.0;
	double sum = 1.0;

	if (z < -1.0)
		return log1p(-0.5 * erfc(-z * SQRT_1_2));
	if (z < 25.0)
		return log(0.5 * erfc(z * SQRT_1_2));

	/* asymptotic series of Mills' ratio; its 9th term is below 1e-16 */
	w = 1.0 / (z * z);
	for (int k = 1; k <= 9; k++)
	{
		term *= -(2 * k - 1) * w;
		sum += term;
	}
	return -0.5 * z * z - 0.5 * LN_2PI - log(z) + log(sum);
}

double
fp_normal_cdf(double z)
{
	return 0.5 * erfc(-z * SQRT_1_2);
}

double
fp_normal_upper_quantile(double log_p)
{
	double t;
	double z;

	if (log_p == -INFINITY)
		return INFINITY;
	if (log_p >= 0.0)
		return -INFINITY;
	if (log_p > -LN_2)
		return -fp_normal_upper_quantile(fp_log1mexp(log_p));

	/*
	 * First guess: Abramowitz and Stegun (1964) 26.2.23, right to 4.5e-4
	 * where p is not tiny; then Halley's steps on ln P, each of which triples
	 * the number of right digits.
	 */
	t = sqrt(-2.0 * log_p);
	if (t < 50.0)
		z = t - (2.515517 + t * (0.802853 + t * 0.010328)) /
					(1.0 + t * (1.432788 + t * (0.189269 + t * 0.001308)));
	else
		z = t - (log(t) + 0.5 * LN_2PI) / t;
	for (int i = 0; i < 4; i++)
	{
		double upper = fp_normal_log_upper(z);
		double excess = upper - log_p;
		double hazard = exp(-0.5 * z * z - 0.5 * LN_2PI - upper);
		double step;

		/* far out the exponents cancel; Mills' ratio is 1 / z there */
		if (z > 1e5)
			hazard = z + 1.0 / z;
		step =
			(excess / hazard) / (1.0 + 0.5 * excess * (hazard - z) / hazard);
		z += step;
		if (fabs(step) <= 1e-16 * fabs(z))
			break;
	}
	return z;
}

double
fp_normal_two_sided(double confidence)
{
	double z;

	if (confidence >= 0.5)
		return fp_normal_upper_quantile(log(0.5 * (1.0 - confidence)));

	/* near 0 the tail says nothing about z; erf does */
	z = confidence / SQRT_2_PI;
	for (int i = 0; i < 6; i++)
	{
		double excess = erf(z * SQRT_1_2) - confidence;
		double slope = SQRT_2_PI * exp(-0.5 * z * z);
		double step = excess / slope;

		/* Halley: the slope's own slope is -z times it */
		z -= step / (1.0 + 0.5 * z * step);
	}
	return z;
}

/*
 * Incomplete beta function.
 */

/* kernel ln [x^a y^b / B(a, b)]; *lambda = a - (a + b) x = a y - b x */
static double
beta_kernel(double a, double b, double x, double y, double *lambda)
{
	double n = a + b;
	double bx = b * x;
	double d = fma(a, y, -bx) + fma(-b, x, bx);

	*lambda = d;
	return -fp_deviance(a, n * x, d) - fp_deviance(b, n * y, -d) +
		   0.5 * (log(a / n * b) - LN_2PI) + fp_stirling_error(n) -
		   fp_stirling_error(a) - fp_stirling_error(b);
}

/*
 * I_x(a, b) over its kernel by the continued fraction of DiDonato and Morris
 * (1992), ACM TOMS 708, equation (9), for x <= a / (a + b); lambda as above.
 */
static double
beta_fraction(double a, double b, double x, double y, double lambda)
{
	double s = a + 1.0;
	double beta = a * (lambda + 1.0) / s;
	double value = beta;
	double c = beta;
	double d = 0.0;

	/* Lentz's method as modified by Thompson and Barnett (1986) */
	for (int k = 1; k < 100000; k++)
	{
		double n = k;
		double w = n * (b - n) * x;
		double alpha = (a + n - 1.0) / s * ((a + b + n - 1.0) / s) * w * x;
		double delta;

		/* here s = a + 2n - 1 */
		beta =
			n + w / s + (a + n) / (s + 2.0) * (lambda + 1.0 + n * (1.0 + y));
		d = beta + alpha * d;
		if (fabs(d) < DBL_MIN)
			d = DBL_MIN;
		d = 1.0 / d;
		c = beta + alpha / c;
		if (fabs(c) < DBL_MIN)
			c = DBL_MIN;
		delta = c * d;
		value *= delta;
		s += 2.0;
		if (fabs(delta - 1.0) <= 2.0 * DBL_EPSILON)
			break;
	}
	return 1.0 / value;
}

typedef struct BetaPoint
{
	double a;
	double b;
	double x;
	double y;
	double lambda;
	double deviance;
} BetaPoint;

/*
 * How far the log of the kernel has fallen t below the point, in logits.  t is
 * below 1 here, so 1 + fall is exp(-t) to the last digit.
 */
static double
beta_drop(double t, const void *arg)
{
	const BetaPoint *p = arg;
	double			 n = p->a + p->b;
	double			 fall = expm1(-t);
	double			 scale = p->y + p->x * (1.0 + fall);
	double			 x = p->x * (1.0 + fall) / scale;
	double			 y = p->y / scale;
	double			 d = p->lambda - n * p->x * p->y * fall / scale;

	return fp_deviance(p->a, n * x, d) + fp_deviance(p->b, n * y, -d) -
		   p->deviance;
}

/*
 * The same by quadrature for large a and b, where the fraction would need of
 * the order of sqrt(a + b) terms: in logits the density is x^a y^b, smooth
 * and log-concave.
 */
static double
beta_quadrature(double a, double b, double x, double y, double lambda)
{
	BetaPoint point = {a, b, x, y, lambda, 0.0};
	double	  n = a + b;
	double	  variance = n * x * y;

	point.deviance =
		fp_deviance(a, n * x, lambda) + fp_deviance(b, n * y, -lambda);
	return fp_integrate_decay(beta_drop, &point,
							  90.0 / (lambda + sqrt(lambda * lambda +
													90.0 * variance)));
}

double
fp_log_beta_cdf(double a, double b, double x, double y, double *log_lower,
				double *log_upper)
{
	double lambda;
	double kernel;
	double ratio;
	double tail;
	bool   upper;

	if (x <= 0.0 || y <= 0.0)
	{
		if (log_lower)
			*log_lower = x <= 0.0 ? -INFINITY : 0.0;
		if (log_upper)
			*log_upper = x <= 0.0 ? 0.0 : -INFINITY;
		return -INFINITY;
	}

	kernel = beta_kernel(a, b, x, y, &lambda);
	/* the tail on this side of the mean is computed, the other follows */
	upper = lambda < 0.0;
	if (upper)
	{
		double swap = a;

		a = b;
		b = swap;
		swap = x;
		x = y;
		y = swap;
		lambda = -lambda;
	}
	if (a >= QUADRATURE_FROM && b >= QUADRATURE_FROM)
		ratio = beta_quadrature(a, b, x, y, lambda);
	else
		ratio = beta_fraction(a, b, x, y, lambda);
	tail = Min(kernel + log(ratio), 0.0);
	if (log_lower)
		*log_lower = upper ? fp_log1mexp(tail) : tail;
	if (log_upper)
		*log_upper = upper ? tail : fp_log1mexp(tail);
	return kernel;
}
